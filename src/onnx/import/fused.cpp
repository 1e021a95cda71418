#include <algorithm>
#include <utility>

#include "onnx/import/import.h"
#include "ops/activate.h"
#include "ops/channel_shuffle.h"
#include "ops/fused_attention.h"
#include "ops/nan.h"
#include "ops/packed_conv.h"
#include "ops/packed_matmul.h"
#include "ops/step.h"
#include "quern/ops.h"

// What passes put in place of patterns: domain "quern".

namespace quern::onnx {
namespace {

using ops::Step;

/// What a fused product knows, before it runs, of what it reads.
class Sources {
 public:
  Sources(const Node& node, const std::vector<Step>& steps)
      : any_will_do_(ops::keep_non_finite(steps)),
        noted_(node.attributes.contains(kFiniteSources)) {}

  ops::Finite known(const Inputs& in) const {
    return noted_ && in.graph_is_finite() ? ops::Finite::yes : ops::Finite::unknown;
  }
  /// Whether the steps may be done with the product.
  bool suit(const Inputs& in, std::span<const Tensor> operands) const {
    if (any_will_do_ || known(in) == ops::Finite::yes) return true;
    return ops::is_finite(in[0]) && std::ranges::all_of(operands, ops::is_finite);
  }

 private:
  bool any_will_do_, noted_;
};

/// The steps one by one, where they cannot be done with the product.
Tensor apply_all(const std::vector<Step>& steps, Tensor x, std::span<const Tensor> operands) {
  for (const Step& step : steps) {
    if (!step.has_operand()) {
      x = ops::activate(step.function(), x);
    } else {
      x = ops::add(x, operands.front());
      operands = operands.subspan(1);
    }
  }
  return x;
}

class FusedConv final : public Kernel {
 public:
  FusedConv(ops::ConvSpec spec, std::vector<Step> steps, const Sources& sources)
      : steps_(steps),
        sources_(sources),
        fused_(with_steps(std::move(spec), std::move(steps))),
        plain_(fused_.without_steps()) {}

  bool reads(std::size_t input) const override { return input != 1 && input != 2; }

  void run(const Inputs& in, Outputs& out) const override {
    const Shape result = fused_.result_shape(in[0].shape());
    const std::optional<Tensor> spent = spent_operand(in, result);
    const std::vector<Tensor> operands = in.tensors(kFirstOperand);
    const auto fits = [&](const Tensor& operand) {
      return operand.dtype() == in[0].dtype() && operand.rank() <= result.rank() &&
             broadcast_shapes(result, operand.shape()) == result;
    };
    const ops::Finite finite = sources_.known(in);
    const auto run_fused = [&] {
      if (!std::ranges::all_of(operands, fits) || !sources_.suit(in, operands)) return false;
      const Tensor dst = spent ? *spent : fused_.empty_result(in[0], ops::Layout::channels_last);
      if (!fused_.try_run(in[0], dst, operands, finite)) return false;
      out.set(0, dst);
      return true;
    };
    if (run_fused()) return;
    const Tensor product = plain_(in[0], ops::Layout::channels_last, {}, finite);
    out.set(0, apply_all(steps_, product, operands));
  }

 private:
  static constexpr std::size_t kFirstOperand = 3;

  /// What is added first, for the last time it is read, and lies as the result would: it becomes
  /// it.
  std::optional<Tensor> spent_operand(const Inputs& in, const Shape& result) const {
    if (steps_.empty() || steps_.front() != Binary::add) return std::nullopt;
    if (!in.may_overwrite(kFirstOperand)) return std::nullopt;
    const Tensor& operand = in[kFirstOperand];
    const bool fits = operand.shape() == result && operand.dtype() == in[0].dtype() &&
                      ops::is_channels_last(operand);
    return fits ? std::optional(operand) : std::nullopt;
  }

  static ops::ConvSpec with_steps(ops::ConvSpec spec, std::vector<Step> steps) {
    spec.steps = std::move(steps);
    return spec;
  }

  std::vector<Step> steps_;
  Sources sources_;
  ops::PackedConv fused_, plain_;
};

ops::ConvSpec conv_spec(const Node& node, const Graph& graph) {
  const Tensor* bias = graph.constant(node.input(2));
  ops::ConvSpec spec{.weight = *graph.constant(node.input(1))};
  if (bias != nullptr) spec.bias = *bias;
  const std::vector<std::int64_t> pads = node.attributes.ints("pads");
  const std::size_t axes = pads.size() / 2;
  spec.options = {.strides = Shape(node.attributes.ints("strides")),
                  .dilations = Shape(node.attributes.ints("dilations")),
                  .pads_begin = Shape(std::span(pads).first(axes)),
                  .pads_end = Shape(std::span(pads).subspan(axes)),
                  .groups = node.attributes.get("group", std::int64_t{1})};
  return spec;
}

KernelPtr conv(const Node& node, const ImportContext& context) {
  const std::vector<Step> steps = node.attributes.get<std::vector<Step>>(kSteps);
  return std::make_unique<const FusedConv>(conv_spec(node, context.graph), steps,
                                           Sources(node, steps));
}

class Linear final : public Kernel {
 public:
  Linear(ops::MatMulSpec spec, std::vector<Step> steps, const Sources& sources)
      : steps_(steps),
        sources_(sources),
        fused_(with_steps(std::move(spec), std::move(steps))),
        plain_(fused_.without_steps()) {}

  bool reads(std::size_t input) const override { return input != 1 && input != 2; }

  void run(const Inputs& in, Outputs& out) const override {
    constexpr std::size_t kFirstOperand = 3;
    const std::vector<Tensor> operands = in.tensors(kFirstOperand);
    const auto fits = [&](const Tensor& operand) { return fused_.takes(in[0], operand); };
    if (std::ranges::all_of(operands, fits) && sources_.suit(in, operands)) {
      out.set(0, fused_(in[0], operands));
    } else {
      out.set(0, apply_all(steps_, plain_(in[0]), operands));
    }
  }

 private:
  static ops::MatMulSpec with_steps(ops::MatMulSpec spec, std::vector<Step> steps) {
    spec.steps = std::move(steps);
    return spec;
  }

  std::vector<Step> steps_;
  Sources sources_;
  ops::PackedMatMul fused_, plain_;
};

KernelPtr linear(const Node& node, const ImportContext& context) {
  ops::MatMulSpec spec{.weight = *context.graph.constant(node.input(1))};
  const Tensor* bias = context.graph.constant(node.input(2));
  if (bias != nullptr) spec.bias = *bias;
  const std::vector<Step> steps = node.attributes.get<std::vector<Step>>(kSteps);
  return std::make_unique<const Linear>(std::move(spec), steps, Sources(node, steps));
}

KernelPtr plain_attention(const Node& node, const ImportContext&) {
  const float scale = node.attributes.get<float>("scale");
  return make_kernel([scale](const Inputs& in) {
    return ops::fused_attention(in[0], in[1], in[2], in.find(3), scale);
  });
}

/// Where the shapes are not those of images with grouped channels, what they say is done plainly.
KernelPtr channel_shuffle(const Node& node, const ImportContext&) {
  const auto resolved = [](std::span<const std::int64_t> given, const Tensor& x) {
    Shape wanted(given);
    for (int axis = 0; axis < wanted.rank(); ++axis) {
      if (wanted[axis] == 0) wanted[axis] = x.dim(axis);
    }
    return wanted;
  };
  const auto parts = static_cast<std::int64_t>(node.outputs.size());
  return make_kernel([=, before = node.attributes.ints("before"),
                      after = node.attributes.ints("after")](const Inputs& in) {
    const Tensor& x = in[0];
    if (x.rank() == static_cast<int>(after.size()) && x.dim(1) == before[1] * before[2]) {
      bool fits = before[0] == x.dim(0) || before[0] <= 0;
      for (int axis = 2; axis < x.rank(); ++axis)
        fits &= before[static_cast<std::size_t>(axis) + 1] == x.dim(axis);
      for (int axis = 0; axis < x.rank(); ++axis) {
        const std::int64_t size = after[static_cast<std::size_t>(axis)];
        fits &= size == x.dim(axis) || size == -1 || (size == 0 && axis == 0);
      }
      if (fits) return ops::shuffle_channels(x, before[1], parts);
    }
    const Tensor y = x.reshape(resolved(before, x)).transpose(1, 2);
    const Tensor z = y.reshape(resolved(after, y));
    const std::vector<std::int64_t> sizes(static_cast<std::size_t>(parts), z.dim(1) / parts);
    return ops::split(z, sizes, 1);
  });
}

// clang-format off
constexpr Operator kFusedOperators[] = {
    {.op_type = "ChannelShuffle", .domain = kQuern, .import = channel_shuffle,
     .mapping = {.shapes = kSame}, .bf16 = {.inputs = 1}, .finite = Finite::of_all},
    {.op_type = "Attention", .domain = kQuern, .import = plain_attention,
     .mapping = {.shapes = kSame}, .bf16 = {.inputs = kAnyNumber, .starts = true},
     .finite = Finite::of_all},
    {.op_type = "Conv", .domain = kQuern, .import = conv, .mapping = {.shapes = kSame},
     .bf16 = {.inputs = kAnyNumber, .starts = true}, .finite = Finite::of_all},
    {.op_type = "Linear", .domain = kQuern, .import = linear, .mapping = {.shapes = kSame},
     .bf16 = {.inputs = kAnyNumber, .starts = true}, .finite = Finite::of_all},
};
// clang-format on

}  // namespace

OperatorTable fused_operators() { return kFusedOperators; }

}  // namespace quern::onnx
