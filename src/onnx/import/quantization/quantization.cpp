#include <array>

#include "core/format.h"
#include "onnx/import/import.h"
#include "onnx/window.h"
#include "ops/byte_conv.h"
#include "ops/byte_elementwise.h"
#include "ops/byte_matrix.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using ops::ByteMatrix;
using ops::Quantization;
using ops::Quantized;

/// The dtype that an attribute holds as a TensorProto.DataType; 0 and a missing one are none.
std::optional<DType> find_dtype(const Node& node, std::string_view name) {
  const std::int64_t code = node.attributes.get(name, std::int64_t{0});
  if (code == 0) return std::nullopt;
  return dtype_of_code(code);
}

ops::ScaleAxis scale_axis(const Node& node) {
  return {static_cast<int>(node.attributes.get("axis", std::int64_t{1})),
          node.attributes.get("block_size", std::int64_t{0})};
}

KernelPtr quantize_linear(const Node& node, const ImportContext&) {
  const auto dtype = find_dtype(node, "output_dtype");
  const auto precision = find_dtype(node, "precision");
  const ops::QuantizeOptions options{
      .along = scale_axis(node), .saturate = node.attributes.get("saturate", std::int64_t{1}) != 0};
  return make_kernel([=](const Inputs& in) {
    ops::QuantizeOptions wanted = options;
    wanted.dtype = in.has(2) ? in[2].dtype() : dtype.value_or(DType::u8);
    wanted.precision = precision.value_or(in[1].dtype());
    return ops::quantize(in[0], in[1], in.find(2), wanted);
  });
}

KernelPtr dequantize_linear(const Node& node, const ImportContext&) {
  const auto dtype = find_dtype(node, "output_dtype");
  const ops::ScaleAxis along = scale_axis(node);
  return make_kernel([=](const Inputs& in) {
    return ops::dequantize(in[0], in[1], in.find(2), {dtype.value_or(in[1].dtype()), along});
  });
}

KernelPtr dynamic_quantize_linear(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    const Quantized q = ops::quantize_dynamic(in[0]);
    return std::vector<Tensor>{q.values, q.scale, *q.zero_point};
  });
}

/// Values, scale and zero point from three inputs in a row.
Quantized quantized(const Inputs& in, std::size_t first) {
  return {in[first], in[first + 1], in.find(first + 2)};
}

/// The second factor of a product of bytes: prepared once where it is a constant matrix.
class Factor {
 public:
  Factor(const Node& node, const ImportContext& context, std::size_t values, std::size_t zero)
      : values_(values), zero_(zero) {
    const Tensor* constant = context.graph.constant(node.input(values));
    const Tensor* zeros = context.graph.constant(node.input(zero));
    if (constant == nullptr || constant->rank() != 2) return;
    if (node.has_input(zero) && zeros == nullptr) return;
    if (zeros != nullptr && zeros->numel() != 1 && zeros->shape() != Shape{constant->dim(1)})
      return;
    matrix_.emplace(*constant, zeros != nullptr ? std::optional(*zeros) : std::nullopt);
  }

  /// (a - a_zero) · (b - b_zero) in i32.
  Tensor multiply(const Inputs& in, const Tensor& a, const std::optional<Tensor>& a_zero) const {
    if (matrix_ && a.rank() > 0 && (!a_zero || a_zero->numel() == 1))
      return matrix_->multiply(a, ops::single_zero("MatMulInteger", a_zero));
    return ops::matmul_integer(a, in[values_], a_zero, in.find(zero_));
  }
  const std::optional<ByteMatrix>& matrix() const { return matrix_; }

 private:
  std::size_t values_, zero_;
  std::optional<ByteMatrix> matrix_;
};

KernelPtr matmul_integer(const Node& node, const ImportContext& context) {
  return make_kernel([b = Factor(node, context, 1, 3)](const Inputs& in) {
    return b.multiply(in, in[0], in.find(2));
  });
}

/// The inputs of a node that are constant, tensors all; nothing where one is there and is not.
std::optional<std::vector<Tensor>> constants_of(const Node& node, const ImportContext& context,
                                                std::initializer_list<std::size_t> inputs) {
  std::vector<Tensor> found;
  for (const std::size_t input : inputs) {
    const Tensor* constant = context.graph.constant(node.input(input));
    if (constant == nullptr) return std::nullopt;
    found.push_back(*constant);
  }
  return found;
}

/// A product with a constant matrix, whatever else is constant prepared too.
class StoredProduct {
 public:
  StoredProduct(ByteMatrix matrix, const Tensor& a_scale, const Tensor& a_zero,
                const Tensor& b_scale, const std::optional<Tensor>& bias, const Quantization& y)
      : zero_(ops::single_zero("QLinearMatMul", a_zero)),
        matrix_(matrix.stored_as(
            ops::ByteStore::of("QLinearMatMul", a_scale, b_scale, bias, y, matrix.columns()),
            zero_)) {}

  Tensor operator()(const Tensor& a) const { return matrix_.multiply(a, zero_); }

 private:
  std::int32_t zero_;
  ByteMatrix matrix_;
};

KernelPtr qlinear_matmul(const Node& node, const ImportContext& context) {
  const auto constants = constants_of(node, context, {1, 2, 4, 6, 7});
  const Factor b(node, context, 3, 5);
  if (constants && b.matrix() && (*constants)[0].numel() == 1 && (*constants)[1].numel() == 1) {
    const std::vector<Tensor>& c = *constants;
    return make_kernel([product = StoredProduct(*b.matrix(), c[0], c[1], c[2], {}, {c[3], c[4]})](
                           const Inputs& in) { return product(in[0]); });
  }
  return make_kernel([](const Inputs& in) {
    return ops::qlinear_matmul(quantized(in, 0), quantized(in, 3), {in[6], in[7]});
  });
}

/// ConvInteger and QLinearConv: a constant weight is packed once where pads do not follow from x.
class IntegerConv {
 public:
  IntegerConv(const Node& node, const ImportContext& context, std::size_t weight, std::size_t zero)
      : window_(node),
        groups_(node.attributes.get("group", std::int64_t{1})),
        weight_(weight),
        zero_(zero) {
    const Tensor* constant = context.graph.constant(node.input(weight));
    const Tensor* zeros = context.graph.constant(node.input(zero));
    const bool same_pads = node.attributes.get("auto_pad", "NOTSET") == "NOTSET";
    if (constant == nullptr || constant->rank() < 3 || !same_pads) return;
    if (node.has_input(zero) && zeros == nullptr) return;
    packed_ =
        make(*constant, zeros != nullptr ? std::optional(*zeros) : std::nullopt, constant->shape());
  }

  ops::ByteConv operator()(const Inputs& in) const {
    if (packed_) return *packed_;
    return make(in[weight_], in.find(zero_), in[0].shape());
  }
  const std::optional<ops::ByteConv>& packed() const { return packed_; }

 private:
  ops::ByteConv make(const Tensor& weight, const std::optional<Tensor>& zero,
                     const Shape& src) const {
    require(weight.rank() >= 3 && src.rank() == weight.rank(), "a source {} for a weight {}", src,
            weight.shape());
    const Shape kernel(std::span(weight.shape().begin() + 2, weight.shape().end()));
    const auto pads = window_.pads(src, kernel);
    return ops::ByteConv(weight, zero,
                         {.strides = window_.strides,
                          .dilations = window_.dilations,
                          .pads_begin = pads.begin,
                          .pads_end = pads.end,
                          .groups = groups_});
  }

  WindowAttributes window_;
  std::int64_t groups_;
  std::size_t weight_, zero_;
  std::optional<ops::ByteConv> packed_;
};

KernelPtr conv_integer(const Node& node, const ImportContext& context) {
  return make_kernel([conv = IntegerConv(node, context, 1, 3)](const Inputs& in) {
    return conv(in)(in[0], ops::single_zero("ConvInteger", in.find(2)), ops::Layout::channels_last);
  });
}

class QLinearConv final : public Kernel {
 public:
  QLinearConv(const Node& node, const ImportContext& context) : conv_(node, context, 3, 5) {
    const auto constants = constants_of(node, context, {1, 2, 4, 6, 7});
    const Tensor* bias = context.graph.constant(node.input(8));
    if (!conv_.packed() || !constants || (node.has_input(8) && bias == nullptr)) return;
    const Tensor& weight = *context.graph.constant(node.input(3));
    const std::vector<Tensor>& c = *constants;
    x_zero_ = ops::single_zero("QLinearConv", c[1]);
    stored_ = conv_.packed()->stored_as(
        ops::ByteStore::of("QLinearConv", c[0], c[2],
                           bias != nullptr ? std::optional(*bias) : std::nullopt, {c[3], c[4]},
                           weight.dim(0)),
        x_zero_);
  }

  void run(const Inputs& in, Outputs& out) const override {
    if (stored_) return out.set(0, (*stored_)(in[0], x_zero_, ops::Layout::channels_last));
    const ops::ByteStore store =
        ops::ByteStore::of("QLinearConv", in[1], in[4], in.find(8), {in[6], in[7]}, in[3].dim(0));
    const std::int32_t x_zero = ops::single_zero("QLinearConv", in.find(2));
    out.set(0, conv_(in).stored_as(store, x_zero)(in[0], x_zero, ops::Layout::channels_last));
  }

 private:
  IntegerConv conv_;
  std::int32_t x_zero_ = 0;
  std::optional<ops::ByteConv> stored_;
};

// ---- com.microsoft ----

Tensor scale_product(const Tensor& product, const Tensor& a_scale, const Tensor& b_scale,
                     const std::optional<Tensor>& bias) {
  const Tensor y = ops::mul(product.cast(DType::f32), ops::mul(a_scale, b_scale));
  return bias ? ops::add(y, *bias) : y;
}

KernelPtr matmul_integer_to_float(const Node& node, const ImportContext& context) {
  return make_kernel([b = Factor(node, context, 1, 5)](const Inputs& in) {
    return scale_product(b.multiply(in, in[0], in.find(4)), in[2], in[3], in.find(6));
  });
}

KernelPtr dynamic_quantize_matmul(const Node& node, const ImportContext& context) {
  return make_kernel([b = Factor(node, context, 1, 3)](const Inputs& in) {
    const Quantized a = ops::quantize_dynamic(in[0]);
    return scale_product(b.multiply(in, a.values, a.zero_point), a.scale, in[2], in.find(4));
  });
}

class QGemm final : public Kernel {
 public:
  QGemm(const Node& node, const ImportContext& context)
      : transpose_a_(node.attributes.get("transA", std::int64_t{0}) != 0),
        transpose_b_(node.attributes.get("transB", std::int64_t{0}) != 0),
        alpha_(node.attributes.get("alpha", 1.f)) {
    const Tensor* b = context.graph.constant(node.input(3));
    const Tensor* zero = context.graph.constant(node.input(5));
    if (b == nullptr || b->rank() != 2 || (node.has_input(5) && zero == nullptr)) return;
    b_.emplace(turned(*b, transpose_b_), zero != nullptr ? std::optional(*zero) : std::nullopt);
    store(node, context);
  }

  void run(const Inputs& in, Outputs& out) const override {
    const Tensor a = turned(in[0], transpose_a_);
    if (stored_) return out.set(0, (*stored_)(a));
    Tensor acc = b_ && (!in.has(2) || in[2].numel() == 1)
                     ? b_->multiply(a, ops::single_zero("QGemm", in.find(2)))
                     : ops::matmul_integer(a, turned(in[3], transpose_b_), in.find(2), in.find(5));
    if (in.has(6)) acc = ops::add(acc.cast(in[6].dtype()), in[6]);
    const Tensor scale = ops::mul(ops::mul(in[1], in[4]), Tensor::scalar(alpha_));
    out.set(0, in.has(7) ? ops::requantize(acc, ops::div(scale, in[7]), -1, in[8])
                         : ops::mul(acc.cast(DType::f32), scale));
  }

 private:
  static Tensor turned(const Tensor& x, bool turns) {
    require(x.rank() == 2, "QGemm: expected a matrix, got {}", x.shape());
    return turns ? x.transpose(0, 1) : x;
  }

  /// Prepares all of it where all but the source is constant.
  void store(const Node& node, const ImportContext& context) {
    const auto constants = constants_of(node, context, {1, 2, 4, 7, 8});
    const Tensor* bias = context.graph.constant(node.input(6));
    if (!constants || (node.has_input(6) && bias == nullptr)) return;
    if (bias != nullptr && bias->numel() != b_->columns()) return;
    const std::vector<Tensor>& c = *constants;
    if (c[0].numel() != 1 || c[1].numel() != 1) return;
    stored_.emplace(*b_, ops::mul(c[0], Tensor::scalar(alpha_)), c[1], c[2],
                    bias != nullptr ? std::optional(bias->reshape({b_->columns()})) : std::nullopt,
                    Quantization{c[3], c[4]});
  }

  bool transpose_a_, transpose_b_;
  float alpha_;
  std::optional<ByteMatrix> b_;
  std::optional<StoredProduct> stored_;
};

KernelPtr qgemm(const Node& node, const ImportContext& context) {
  return std::make_unique<const QGemm>(node, context);
}

/// A result as operators of the domain store it: in the dtype of its zero point, else of an input.
Tensor store(const Tensor& y, const Inputs& in, std::size_t scale, DType dtype) {
  return ops::quantize(y, in[scale], in.find(scale + 1),
                       {.dtype = in.has(scale + 1) ? in[scale + 1].dtype() : dtype});
}

Tensor load(const Inputs& in, std::size_t first) {
  return ops::dequantize(in[first], in[first + 1], in.find(first + 2));
}

/// How operators of the domain store a result: a missing zero point is 0, of an input's dtype.
Quantization stored_as(const Inputs& in, std::size_t scale, DType dtype) {
  return {in[scale], in.has(scale + 1) ? in[scale + 1] : Tensor::zeros({}, dtype)};
}

template <Tensor (*function)(const Quantized&, const Quantized&, const Quantization&)>
KernelPtr qlinear_binary(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    return function(quantized(in, 0), quantized(in, 3), stored_as(in, 6, in[0].dtype()));
  });
}

KernelPtr qlinear_sigmoid(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    return ops::map_bytes(quantized(in, 0), ops::sigmoid, stored_as(in, 3, in[0].dtype()));
  });
}

KernelPtr qlinear_leaky_relu(const Node& node, const ImportContext&) {
  const float alpha = node.attributes.get("alpha", 0.01f);
  return make_kernel([alpha](const Inputs& in) {
    const auto function = [alpha](const Tensor& x) { return ops::leaky_relu(x, alpha); };
    return ops::map_bytes(quantized(in, 0), function, stored_as(in, 3, in[0].dtype()));
  });
}

KernelPtr qlinear_concat(const Node& node, const ImportContext&) {
  const auto axis = static_cast<int>(node.attributes.get<std::int64_t>("axis"));
  return make_kernel([axis](const Inputs& in) {
    require(in.size() >= 5 && (in.size() - 2) % 3 == 0, "{} inputs, expected 2 and 3 for each part",
            in.size());
    std::vector<Quantized> parts;
    for (std::size_t i = 2; i < in.size(); i += 3) parts.push_back(quantized(in, i));
    return ops::concat_bytes(parts, axis, stored_as(in, 0, in[2].dtype()));
  });
}

KernelPtr qlinear_global_average_pool(const Node& node, const ImportContext&) {
  const bool channels_last = node.attributes.get("channels_last", std::int64_t{0}) != 0;
  return make_kernel([channels_last](const Inputs& in) {
    const Tensor& x = in[0];
    std::vector<int> axes;
    std::int64_t size = 1;
    for (int axis = channels_last ? 1 : 2; axis < x.rank() - (channels_last ? 1 : 0); ++axis) {
      axes.push_back(axis);
      size *= x.dim(axis);
    }
    require(!axes.empty() && size > 0, "expected spatial axes, got {}", x.shape());
    require(size < INT32_MAX / 255, "a plane of {} elements is too large", size);
    const std::int32_t zero = ops::single_zero("QLinearGlobalAveragePool", in.find(2));
    const Tensor sums = ops::sum(x, axes, true).cast(DType::i32);
    const Tensor total = ops::sub(sums, Tensor::scalar(static_cast<std::int32_t>(zero * size)));
    const Quantization y = stored_as(in, 3, x.dtype());
    const Tensor divisor = ops::mul(y.scale, Tensor::scalar(static_cast<float>(size)));
    return ops::requantize(total, ops::div(in[1], divisor), -1, y.zero_point);
  });
}

KernelPtr qlinear_average_pool(const Node& node, const ImportContext& context) {
  if (node.attributes.get("channels_last", std::int64_t{0}) != 0)
    fail(ErrorCode::unsupported, "channels_last is not supported");
  Node floats = node;
  floats.op_type = "AveragePool";
  const Operator* pool = find_operator("", floats.op_type, 19);
  return make_kernel([pool = std::shared_ptr(pool->import(floats, context))](const Inputs& in) {
    const Value x = load(in, 0);
    const Value* const inputs[] = {&x};
    std::array<Value, 1> result;
    Outputs outputs(result);
    pool->run(Inputs(inputs), outputs);
    return store(result[0].tensor(), in, 3, in[0].dtype());
  });
}

// clang-format off
constexpr Operator kQuantizationOperators[] = {
    {.op_type = "ConvInteger", .since = 10, .inputs = {2, 4}, .import = conv_integer,
     .mapping = {.shapes = kSame}},
    {.op_type = "DequantizeLinear", .since = 10, .inputs = {2, 3}, .import = dequantize_linear,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_quantize},
     .finite = Finite::of_all},
    {.op_type = "DynamicQuantizeLinear", .since = 11, .inputs = {1, 1},
     .import = dynamic_quantize_linear, .mapping = {.shapes = kSame}},
    {.op_type = "MatMulInteger", .since = 10, .inputs = {2, 4}, .import = matmul_integer,
     .mapping = {.shapes = kSame}},
    {.op_type = "QLinearConv", .since = 10, .inputs = {8, 9}, .import = make<QLinearConv>,
     .mapping = {.shapes = kSame}},
    {.op_type = "QLinearMatMul", .since = 10, .inputs = {8, 8}, .import = qlinear_matmul,
     .mapping = {.shapes = kSame}},
    {.op_type = "QuantizeLinear", .since = 10, .inputs = {2, 3}, .import = quantize_linear,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_quantize}},
    {.op_type = "DequantizeLinear", .domain = kMicrosoft, .import = dequantize_linear,
     .mapping = {.shapes = kSame}},
    {.op_type = "DynamicQuantizeMatMul", .domain = kMicrosoft, .import = dynamic_quantize_matmul,
     .mapping = {.shapes = kSame}},
    {.op_type = "MatMulIntegerToFloat", .domain = kMicrosoft, .import = matmul_integer_to_float,
     .mapping = {.shapes = kSame}},
    {.op_type = "QGemm", .domain = kMicrosoft, .import = qgemm, .mapping = {.shapes = kSame}},
    {.op_type = "QLinearAdd", .domain = kMicrosoft, .import = qlinear_binary<ops::add_bytes>,
     .mapping = {.shapes = kSame}},
    {.op_type = "QLinearAveragePool", .domain = kMicrosoft, .import = qlinear_average_pool,
     .mapping = {.shapes = kSame}},
    {.op_type = "QLinearConcat", .domain = kMicrosoft, .import = qlinear_concat,
     .mapping = {.shapes = kSame}},
    {.op_type = "QLinearGlobalAveragePool", .domain = kMicrosoft,
     .import = qlinear_global_average_pool, .mapping = {.shapes = kSame}},
    {.op_type = "QLinearLeakyRelu", .domain = kMicrosoft, .import = qlinear_leaky_relu,
     .mapping = {.shapes = kSame}},
    {.op_type = "QLinearMul", .domain = kMicrosoft, .import = qlinear_binary<ops::multiply_bytes>,
     .mapping = {.shapes = kSame}},
    {.op_type = "QLinearSigmoid", .domain = kMicrosoft, .import = qlinear_sigmoid,
     .mapping = {.shapes = kSame}},
    {.op_type = "QuantizeLinear", .domain = kMicrosoft, .import = quantize_linear,
     .mapping = {.shapes = kSame}},
};
// clang-format on

}  // namespace

OperatorTable quantization_operators() { return kQuantizationOperators; }

}  // namespace quern::onnx
