#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"
#include "ops/nan.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

/// y = x * factor + shift for each channel.
struct Affine {
  Tensor factor, shift;
};

std::optional<Affine> affine_of(const Graph& graph, const Node& norm) {
  const bool inference = norm.attributes.get("training_mode", std::int64_t{0}) == 0 &&
                         norm.attributes.get("spatial", std::int64_t{1}) == 1 && norm.opset >= 7;
  bool only_output = true;
  for (std::size_t i = 1; i < norm.outputs.size(); ++i) only_output &= !norm.has_output(i);
  if (!inference || !only_output) return std::nullopt;
  Tensor values[4];
  for (std::size_t i = 0; i < 4; ++i) {
    const Tensor* constant = graph.constant(norm.input(i + 1));
    if (constant == nullptr || constant->dtype() != DType::f32 || constant->rank() != 1)
      return std::nullopt;
    values[i] = constant->cast(DType::f64);
    if (values[i].shape() != values[0].shape()) return std::nullopt;
  }
  const auto epsilon = static_cast<double>(norm.attributes.get("epsilon", 1e-5f));
  const Tensor deviation = ops::sqrt(ops::add(values[3], Tensor::full({}, epsilon, DType::f64)));
  const Tensor factor = ops::div(values[0], deviation);
  return Affine{factor, ops::sub(values[1], ops::mul(values[2], factor))};
}

/// [channels] as a value for each filter of a weight with `rank` axes.
Tensor per_filter(const Tensor& channels, int rank) {
  Shape shape = Shape::filled(rank, 1);
  shape[0] = channels.numel();
  return channels.reshape(shape);
}

bool is_finite_f32(const Tensor& x) { return ops::is_finite(x.cast(DType::f32)); }

}  // namespace

bool fold_batch_norms(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
    Node& norm = rewriter.node(i);
    if (rewriter.is_removed(i) || !norm.is("BatchNormalization")) continue;
    Node* conv = rewriter.producer(norm.input(0), "Conv");
    if (conv == nullptr || rewriter.reads(norm.input(0)) != 1) continue;
    const Tensor* weight = graph.constant(conv->input(1));
    const Tensor* bias = graph.constant(conv->input(2));
    const bool constant = weight != nullptr && weight->dtype() == DType::f32 &&
                          (!conv->has_input(2) || bias != nullptr);
    const auto affine = constant ? affine_of(graph, norm) : std::nullopt;
    if (!affine || affine->factor.numel() != weight->dim(0)) continue;
    const Tensor new_weight =
        ops::mul(weight->cast(DType::f64), per_filter(affine->factor, weight->rank()));
    Tensor new_bias = affine->shift;
    if (bias != nullptr) {
      new_bias = ops::add(new_bias, ops::mul(bias->cast(DType::f64), affine->factor));
    }
    if (!is_finite_f32(new_weight) || !is_finite_f32(new_bias)) continue;  // of 0 and infinity, say
    Node made = *conv;
    made.inputs = {conv->input(0),
                   rewriter.add_constant(conv->name + "/weight", new_weight.cast(DType::f32)),
                   rewriter.add_constant(conv->name + "/bias", new_bias.cast(DType::f32))};
    made.operator_inputs = 3;
    Node* const replaced[] = {conv};
    rewriter.substitute(norm, std::move(made), replaced);
  }
  return rewriter.changed();
}

}  // namespace quern::onnx
