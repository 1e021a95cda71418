#include <algorithm>
#include <cmath>
#include <limits>

#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

/// Bytes and how they are read: all three there, one scale for all.
struct Stored {
  ValueId values, scale, zero;
};

bool is_byte(DType dtype) { return dtype == DType::i8 || dtype == DType::u8; }

bool is_dequantize(const Node* node) { return node != nullptr && node->is("DequantizeLinear"); }

/// Scale and zero point of a QuantizeLinear or DequantizeLinear, where they are one constant each.
std::optional<Stored> stored_by(Rewriter& rewriter, const Node& node) {
  const Tensor* scale = rewriter.graph().constant(node.input(1));
  const Tensor* zero = rewriter.graph().constant(node.input(2));
  if (scale == nullptr || zero == nullptr || scale->numel() != 1 || zero->numel() != 1)
    return std::nullopt;
  if (scale->dtype() != DType::f32 || !is_byte(zero->dtype())) return std::nullopt;
  return Stored{node.input(0), node.input(1), node.input(2)};
}

/// What a float is made of, where that is bytes of one scale.
std::optional<Stored> bytes_behind(Rewriter& rewriter, ValueId id) {
  const Node* node = rewriter.producer(id);
  return is_dequantize(node) ? stored_by(rewriter, *node) : std::nullopt;
}

/// A constant of bytes with one scale, or one for each slice of `axis`.
struct StoredWeight {
  Tensor values, scale, zero;
  ValueId values_id, scale_id;
};

std::optional<StoredWeight> weight_behind(Rewriter& rewriter, ValueId id, int axis) {
  const Graph& graph = rewriter.graph();
  const Node* node = rewriter.producer(id);
  if (!is_dequantize(node) || node->attributes.contains("block_size")) return std::nullopt;
  const Tensor* values = graph.constant(node->input(0));
  const Tensor* scale = graph.constant(node->input(1));
  const Tensor* zero = graph.constant(node->input(2));
  if (values == nullptr || scale == nullptr || (node->has_input(2) && zero == nullptr))
    return std::nullopt;
  if (!is_byte(values->dtype()) || scale->dtype() != DType::f32 || axis >= values->rank())
    return std::nullopt;
  std::int64_t along = node->attributes.get("axis", std::int64_t{1});
  if (along < 0) along += values->rank();
  const bool by_slice = scale->shape() == Shape{values->dim(axis)} && along == axis;
  if (scale->numel() != 1 && !by_slice) return std::nullopt;
  const Tensor zeros = zero != nullptr ? *zero : Tensor::zeros(scale->shape(), values->dtype());
  if (zeros.numel() != scale->numel()) return std::nullopt;
  return StoredWeight{*values, *scale, zeros, node->input(0), node->input(1)};
}

/// The floats of a constant, dequantised where it is stored otherwise.
std::optional<Tensor> floats_of(Rewriter& rewriter, ValueId id) {
  const Graph& graph = rewriter.graph();
  if (const Tensor* constant = graph.constant(id))
    return constant->dtype() == DType::f32 ? std::optional(*constant) : std::nullopt;
  const Node* node = rewriter.producer(id);
  if (!is_dequantize(node)) return std::nullopt;
  const Tensor* values = graph.constant(node->input(0));
  const Tensor* scale = graph.constant(node->input(1));
  const Tensor* zero = graph.constant(node->input(2));
  if (values == nullptr || scale == nullptr || (node->has_input(2) && zero == nullptr))
    return std::nullopt;
  const auto axis = static_cast<int>(node->attributes.get("axis", std::int64_t{1}));
  return ops::dequantize(*values, *scale, zero != nullptr ? std::optional(*zero) : std::nullopt,
                         {.along = {values->rank() == 1 ? 0 : axis, 0}});
}

/// A bias [n] in units of x_scale * weight_scale * factor: i32, or f32 where it has fractions of
/// them; nothing where it does not fit, or where fractions meet units as coarse as the steps of
/// `y_scale`: there results lie between two steps often, and which they go to is the last bit's.
std::optional<Tensor> bias_of_products(const Tensor& bias, const Tensor& x_scale,
                                       const Tensor& weight_scale, float factor,
                                       const Tensor& y_scale) {
  constexpr double kRounding = 0x1p-22;  // of what was an integer, and of its scales
  constexpr double kNothing = 0x1p-10;
  constexpr double kFine = 0x1p-5;
  const auto number = [](const Tensor& scale) {
    return scale.cast(DType::f64).reshape({}).item<double>();
  };
  const Tensor values = bias.contiguous();
  const Tensor scales = weight_scale.contiguous();
  const double x = number(x_scale) * static_cast<double>(factor);
  Tensor units = Tensor::empty(bias.shape(), DType::f64);
  const std::size_t step = scales.numel() == 1 ? 0 : 1;
  bool has_fractions = false;
  bool is_coarse = false;
  for (std::size_t i = 0; i < values.data<float>().size(); ++i) {
    const double scale = x * static_cast<double>(scales.data<float>()[i * step]);
    const double exact = static_cast<double>(values.data<float>()[i]) / scale;
    if (!(std::abs(exact) <= std::numeric_limits<std::int32_t>::max())) return std::nullopt;
    const double lost = std::abs(exact - std::nearbyint(exact));
    has_fractions = has_fractions || lost > kNothing + kRounding * std::abs(exact);
    is_coarse = is_coarse || std::abs(scale) > kFine * number(y_scale);
    units.mutable_data<double>()[i] = exact;
  }
  if (has_fractions && is_coarse) return std::nullopt;
  return has_fractions ? units.cast(DType::f32) : ops::round(units).cast(DType::i32);
}

/// Whether storing `as` cuts off all that a Relu or Clip does.
bool is_cut_off_anyway(Rewriter& rewriter, const Node& node, const Stored& as) {
  const Graph& graph = rewriter.graph();
  const double scale = *scalar_constant(graph, as.scale);
  const double zero = *scalar_constant(graph, as.zero);
  const bool is_signed = graph.constant(as.zero)->dtype() == DType::i8;
  const double low = ((is_signed ? -128 : 0) - zero) * scale;
  const double high = ((is_signed ? 127 : 255) - zero) * scale;
  if (node.is("Relu")) return low >= 0;
  if (!node.is("Clip") || node.opset < 11) return false;
  const auto from = node.has_input(1) ? scalar_constant(graph, node.input(1)) : low;
  const auto to = node.has_input(2) ? scalar_constant(graph, node.input(2)) : high;
  return from && to && *from <= low && *to >= high;
}

/// A product or another operator between bytes that are read as floats and bytes that it is stored
/// as.
struct Site {
  Rewriter& rewriter;
  const Node& node;      ///< the operator
  const Node& quantize;  ///< what stores its result
  Stored as;

  std::optional<Stored> in(std::size_t index) const {
    return bytes_behind(rewriter, node.input(index));
  }
  const Tensor* scale_of(const Stored& stored) const {
    return rewriter.graph().constant(stored.scale);
  }
  Node make(std::string_view op_type, std::string_view domain, std::vector<ValueId> inputs) const {
    Node made = make_node(quantize, op_type, std::move(inputs), domain, domain.empty() ? 10 : 1);
    made.attributes = node.attributes;
    return made;
  }
  ValueId constant(const char* what, Tensor value) const {
    return rewriter.add_constant(node.name + "/" + what, std::move(value));
  }
};

using Made = std::optional<Node>;

Made conv(const Site& at) {
  const auto x = at.in(0);
  const auto weight = weight_behind(at.rewriter, at.node.input(1), 0);
  if (!x || !weight) return std::nullopt;
  ValueId bias = kAbsent;
  if (at.node.has_input(2)) {
    const auto floats = floats_of(at.rewriter, at.node.input(2));
    if (!floats || floats->shape() != Shape{weight->values.dim(0)}) return std::nullopt;
    const auto units =
        bias_of_products(*floats, *at.scale_of(*x), weight->scale, 1.f, *at.scale_of(at.as));
    if (!units) return std::nullopt;
    bias = at.constant("bias", *units);
  }
  const ValueId zero = at.constant("weight_zero", weight->zero);
  return at.make("QLinearConv", "",
                 {x->values, x->scale, x->zero, weight->values_id, weight->scale_id, zero,
                  at.as.scale, at.as.zero, bias});
}

Made matmul(const Site& at) {
  const auto a = at.in(0);
  if (!a) return std::nullopt;
  if (const auto b = at.in(1)) {
    return at.make(
        "QLinearMatMul", "",
        {a->values, a->scale, a->zero, b->values, b->scale, b->zero, at.as.scale, at.as.zero});
  }
  const auto b = weight_behind(at.rewriter, at.node.input(1), 1);
  if (!b || b->values.rank() != 2) return std::nullopt;
  return at.make("QLinearMatMul", "",
                 {a->values, a->scale, a->zero, b->values_id, b->scale_id,
                  at.constant("weight_zero", b->zero), at.as.scale, at.as.zero});
}

Made gemm(const Site& at) {
  const auto a = at.in(0);
  const bool turned = at.node.attributes.get("transB", std::int64_t{0}) != 0;
  const auto b = weight_behind(at.rewriter, at.node.input(1), turned ? 0 : 1);
  if (!a || !b || b->values.rank() != 2) return std::nullopt;
  const float alpha = at.node.attributes.get("alpha", 1.f);
  ValueId bias = kAbsent;
  if (at.node.has_input(2)) {
    const auto floats = floats_of(at.rewriter, at.node.input(2));
    if (!floats || floats->shape() != Shape{b->values.dim(turned ? 0 : 1)}) return std::nullopt;
    if (at.node.attributes.get("beta", 1.f) != 1.f) return std::nullopt;
    const auto units =
        bias_of_products(*floats, *at.scale_of(*a), b->scale, alpha, *at.scale_of(at.as));
    if (!units) return std::nullopt;
    bias = at.constant("bias", *units);
  }
  Node made = at.make("QGemm", kMicrosoft,
                      {a->values, a->scale, a->zero, b->values_id, b->scale_id,
                       at.constant("weight_zero", b->zero), bias, at.as.scale, at.as.zero});
  made.attributes.erase("beta");
  return made;
}

Made binary_of_bytes(const Site& at) {
  const auto a = at.in(0);
  const auto b = at.in(1);
  if (!a || !b) return std::nullopt;
  return at.make(
      at.node.is("Add") ? "QLinearAdd" : "QLinearMul", kMicrosoft,
      {a->values, a->scale, a->zero, b->values, b->scale, b->zero, at.as.scale, at.as.zero});
}

/// QLinear<operator> of one input.
Made unary_of_bytes(const Site& at) {
  const auto x = at.in(0);
  if (!x || at.node.operator_inputs != 1 || at.node.outputs.size() != 1) return std::nullopt;
  const std::string op_type = "QLinear" + at.node.op_type;
  return at.make(op_type, kMicrosoft, {x->values, x->scale, x->zero, at.as.scale, at.as.zero});
}

Made concat(const Site& at) {
  std::vector<ValueId> inputs{at.as.scale, at.as.zero};
  for (std::size_t i = 0; i < at.node.operator_inputs; ++i) {
    const auto part = at.in(i);
    if (!part) return std::nullopt;
    inputs.insert(inputs.end(), {part->values, part->scale, part->zero});
  }
  return at.make("QLinearConcat", kMicrosoft, std::move(inputs));
}

struct ByteRule {
  std::string_view op_type;
  Made (*make)(const Site&);
};

constexpr ByteRule kByteRules[] = {
    {"Add", binary_of_bytes},
    {"AveragePool", unary_of_bytes},
    {"Concat", concat},
    {"Conv", conv},
    {"Gemm", gemm},
    {"GlobalAveragePool", unary_of_bytes},
    {"LeakyRelu", unary_of_bytes},
    {"MatMul", matmul},
    {"Mul", binary_of_bytes},
    {"Sigmoid", unary_of_bytes},
};

/// Whether two stores keep the same values as the same bytes.
bool is_alike(const Graph& graph, const Stored& a, const Stored& b) {
  return graph.constant(a.zero)->dtype() == graph.constant(b.zero)->dtype() &&
         scalar_constant(graph, a.scale) == scalar_constant(graph, b.scale) &&
         scalar_constant(graph, a.zero) == scalar_constant(graph, b.zero);
}

void fuse_bytes(Rewriter& rewriter, Node& quantize) {
  const auto as = stored_by(rewriter, quantize);
  if (!as || !quantize.has_input(0)) return;
  const auto same = bytes_behind(rewriter, as->values);
  if (same && is_alike(rewriter.graph(), *same, *as)) {
    rewriter.replace(quantize.outputs[0], same->values);
    rewriter.remove(quantize);
    return;
  }
  std::vector<Node*> replaced;
  Node* node = rewriter.producer(as->values);
  if (node != nullptr && rewriter.reads(as->values) == 1 &&
      is_cut_off_anyway(rewriter, *node, *as)) {
    replaced.push_back(node);
    node = rewriter.producer(node->input(0));
  }
  if (node == nullptr || node->outputs.size() != 1 || rewriter.reads(node->outputs[0]) != 1) return;
  const auto rule = std::ranges::find_if(
      kByteRules, [&](const ByteRule& each) { return node->is(each.op_type); });
  if (rule == std::end(kByteRules)) return;
  auto made = rule->make({rewriter, *node, quantize, *as});
  if (!made) return;
  replaced.push_back(node);
  rewriter.substitute(quantize, std::move(*made), replaced);
}

}  // namespace

bool fuse_quantization(Graph& graph) {
  bool changed = false;
  {
    Rewriter rewriter(graph);
    for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
      Node& node = rewriter.node(i);
      if (!rewriter.is_removed(i) && node.is("QuantizeLinear") && node.outputs.size() == 1)
        fuse_bytes(rewriter, node);
    }
    changed = rewriter.changed();
  }
  if (changed) eliminate_dead_code(graph);
  return changed;
}

}  // namespace quern::onnx
