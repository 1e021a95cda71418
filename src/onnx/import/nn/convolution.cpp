#include <mutex>

#include "onnx/import/import.h"
#include "onnx/window.h"
#include "ops/packed_conv.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

Shape spatial_sizes(const Tensor& weight) {
  require(weight.rank() >= 3, "a weight of rank {}", weight.rank());
  return Shape(std::span(weight.shape().begin() + 2, weight.shape().end()));
}

/// A source with its channels last gives a result with its channels last.
ops::Layout layout_like(const Tensor& x) {
  return ops::is_channels_last(x) && !x.is_contiguous() ? ops::Layout::channels_last
                                                        : ops::Layout::contiguous;
}

/// Conv and ConvTranspose; constant weights are packed once for each way of padding.
class Conv final : public Kernel {
 public:
  Conv(const Node& node, const ImportContext& context, bool transposed)
      : window_(node),
        groups_(node.attributes.get("group", std::int64_t{1})),
        transposed_(transposed),
        output_padding_(node.attributes.ints("output_padding")),
        output_shape_(node.attributes.ints("output_shape")) {
    const Tensor* weight = context.graph.constant(node.input(1));
    const Tensor* bias = context.graph.constant(node.input(2));
    constant_ = weight != nullptr && (bias != nullptr || !node.has_input(2));
  }

  void run(const Inputs& in, Outputs& out) const override {
    out.set(0, convolution(in[0], in[1], in.find(2))(in[0], layout_like(in[0])));
  }

 private:
  struct Packed {
    Shape begin, end, output_padding;
    ops::PackedConv conv;
  };

  ops::PackedConv convolution(const Tensor& x, const Tensor& weight,
                              const std::optional<Tensor>& bias) const {
    Shape extra = output_padding_;
    const Shape kernel = spatial_sizes(weight);
    require(x.rank() == weight.rank(), "a source {} for a weight {}", to_string(x.shape()),
            to_string(weight.shape()));
    const auto pads = transposed_ ? window_.transposed_pads(x.shape(), kernel, output_shape_, extra)
                                  : window_.pads(x.shape(), kernel);
    const auto make = [&] {
      return ops::PackedConv({.weight = weight,
                              .bias = bias,
                              .options = {.strides = window_.strides,
                                          .dilations = window_.dilations,
                                          .pads_begin = pads.begin,
                                          .pads_end = pads.end,
                                          .groups = groups_},
                              .transposed = transposed_,
                              .output_padding = extra,
                              .runs_once = !constant_});
    };
    if (!constant_) return make();
    const std::scoped_lock lock(mutex_);
    for (const Packed& packed : packed_) {
      if (packed.begin == pads.begin && packed.end == pads.end && packed.output_padding == extra)
        return packed.conv;
    }
    constexpr std::size_t kMost = 4;
    if (packed_.size() == kMost) packed_.erase(packed_.begin());
    packed_.push_back({pads.begin, pads.end, extra, make()});
    return packed_.back().conv;
  }

  WindowAttributes window_;
  std::int64_t groups_;
  bool transposed_;
  Shape output_padding_, output_shape_;
  bool constant_ = false;
  mutable std::mutex mutex_;
  mutable std::vector<Packed> packed_;
};

template <bool transposed>
KernelPtr convolution(const Node& node, const ImportContext& context) {
  return std::make_unique<const Conv>(node, context, transposed);
}

// clang-format off
constexpr Operator kConvolutionOperators[] = {
    {.op_type = "Conv", .inputs = {2, 3}, .import = convolution<false>,
     .mapping = {.shapes = kSame, .dims = conv_dims, .rows = follow_each_image},
     .finite = Finite::of_all},
    {.op_type = "ConvTranspose", .inputs = {2, 3}, .import = convolution<true>,
     .mapping = {.shapes = kSame, .rows = follow_each_image}, .finite = Finite::of_all},
};
// clang-format on

}  // namespace

OperatorTable convolution_operators() { return kConvolutionOperators; }

}  // namespace quern::onnx
