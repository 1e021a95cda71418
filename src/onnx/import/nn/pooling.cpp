#include <algorithm>

#include "onnx/import/import.h"
#include "onnx/window.h"
#include "ops/pool_into.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

ops::PoolOptions options_for(const WindowAttributes& window, bool ceil_mode, const Tensor& x) {
  const auto pads = window.pads(x.shape(), window.kernel);
  return {.kernel = window.kernel,
          .strides = window.strides,
          .dilations = window.dilations,
          .pads_begin = pads.begin,
          .pads_end = pads.end,
          .ceil_mode = ceil_mode};
}

/// A source with its channels last gives a result with its channels last.
Tensor pool_like(ops::PoolKind kind, const Tensor& x, const ops::PoolOptions& options) {
  const bool last = ops::is_channels_last(x) && !x.is_contiguous();
  return ops::pool(kind, x, options, last ? ops::Layout::channels_last : ops::Layout::contiguous);
}

KernelPtr average_pool(const Node& node, const ImportContext&) {
  const WindowAttributes window(node);
  const bool ceil_mode = flag(node, "ceil_mode");
  const auto operation = flag(node, "count_include_pad") ? ops::PoolKind::average_with_pads
                                                         : ops::PoolKind::average_of_elements;
  return make_kernel([=](const Inputs& in) {
    return pool_like(operation, in[0], options_for(window, ceil_mode, in[0]));
  });
}

/// Indices within a channel as indices of the whole tensor; with columns first, the last two axes
/// count in the other order.
void to_global(Tensor& indices, const Shape& shape, bool columns_first) {
  std::int64_t plane = 1;
  for (int axis = 2; axis < shape.rank(); ++axis) plane *= shape[axis];
  const auto values = indices.mutable_data<std::int64_t>();
  const auto planes = static_cast<std::size_t>(shape[0] * shape[1]);
  const std::size_t size = planes == 0 ? 0 : values.size() / planes;
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::int64_t place = values[i];
    if (columns_first) {
      std::int64_t reversed = 0;
      for (int axis = shape.rank() - 1; axis >= 2; --axis) {
        std::int64_t step = 1;
        for (int before = 2; before < axis; ++before) step *= shape[before];
        reversed += place % shape[axis] * step;
        place /= shape[axis];
      }
      place = reversed;
    }
    values[i] = static_cast<std::int64_t>(i / size) * plane + place;
  }
}

class MaxPool final : public Kernel {
 public:
  explicit MaxPool(const Node& node)
      : window_(node),
        ceil_mode_(flag(node, "ceil_mode")),
        columns_first_(flag(node, "storage_order")),
        with_indices_(node.has_output(1)) {}

  void run(const Inputs& in, Outputs& out) const override {
    const ops::PoolOptions options = options_for(window_, ceil_mode_, in[0]);
    if (!with_indices_) return out.set(0, pool_like(ops::PoolKind::max, in[0], options));
    ops::MaxPoolResult result = ops::max_pool_with_indices(in[0], options);
    to_global(result.indices, in[0].shape(), columns_first_);
    out.set(0, result.values);
    out.set(1, result.indices);
  }

 private:
  WindowAttributes window_;
  bool ceil_mode_, columns_first_, with_indices_;
};

KernelPtr max_pool(const Node& node, const ImportContext&) {
  return std::make_unique<const MaxPool>(node);
}

float order_of(const Node& node) {
  if (node.opset < 2) return node.attributes.get("p", 2.f);
  return static_cast<float>(node.attributes.get("p", std::int64_t{2}));
}

KernelPtr lp_pool(const Node& node, const ImportContext&) {
  const WindowAttributes window(node);
  const bool ceil_mode = flag(node, "ceil_mode");
  const float p = order_of(node);
  return make_kernel([=](const Inputs& in) {
    return ops::lp_pool(in[0], p, options_for(window, ceil_mode, in[0]));
  });
}

template <Tensor (*function)(const Tensor&)>
KernelPtr global(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return function(in[0]); });
}

KernelPtr global_lp_pool(const Node& node, const ImportContext&) {
  const float p = order_of(node);
  return make_kernel([p](const Inputs& in) { return ops::global_lp_pool(in[0], p); });
}

/// Elements of `x` at their places in zeros of `shape`.
Tensor unpool(const Tensor& x, const Tensor& indices, const Shape& shape) {
  require(indices.shape() == x.shape() && indices.dtype() == DType::i64,
          "indices differ from x in shape, or are not i64");
  Tensor dst = Tensor::zeros(shape, x.dtype());
  const Tensor wanted = indices.contiguous();
  const Tensor src = x.contiguous();
  const auto places = wanted.data<std::int64_t>();
  const auto bytes = size_of(x.dtype());
  auto* to = static_cast<std::byte*>(dst.mutable_raw());
  const auto* from = static_cast<const std::byte*>(src.raw());
  for (std::size_t i = 0; i < places.size(); ++i) {
    require(places[i] >= 0 && places[i] < dst.numel(), "index {} is out of range for {} elements",
            places[i], dst.numel());
    std::copy_n(from + i * bytes, bytes, to + static_cast<std::size_t>(places[i]) * bytes);
  }
  return dst;
}

/// `x` at the beginning of zeros of `shape`, cut where it is longer.
Tensor placed_in(const Tensor& x, const Shape& shape) {
  require(shape.rank() == x.rank(), "MaxUnpool: output_shape {} for a result {}", to_string(shape),
          to_string(x.shape()));
  const Tensor dst = Tensor::zeros(shape, x.dtype());
  Tensor from = x;
  Tensor to = dst;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const std::int64_t size = std::min(x.dim(axis), shape[axis]);
    from = from.slice(axis, 0, size);
    to = to.slice(axis, 0, size);
  }
  ops::copy_into(from, to);
  return dst;
}

/// Indices count in the result as it is without an output_shape.
KernelPtr max_unpool(const Node& node, const ImportContext&) {
  const WindowAttributes window(node);
  return make_kernel([window](const Inputs& in) {
    const Tensor& x = in[0];
    require(x.dtype() != DType::string, "MaxUnpool: strings");
    require(x.rank() >= 3 && window.kernel.rank() == x.rank() - 2,
            "MaxUnpool: a kernel of another rank than x {}", to_string(x.shape()));
    const auto pads = window.pads(x.shape(), window.kernel);
    Shape shape{x.dim(0), x.dim(1)};
    for (int axis = 0; axis < window.kernel.rank(); ++axis) {
      const std::int64_t stride = window.strides.rank() == 0 ? 1 : window.strides[axis];
      const std::int64_t padded = pads.begin.rank() == 0 ? 0 : pads.begin[axis] + pads.end[axis];
      shape.push_back((x.dim(axis + 2) - 1) * stride + window.kernel[axis] - padded);
    }
    const Tensor dst = unpool(x, in[1], shape);
    return in.has(2) ? placed_in(dst, Shape(in.ints(2))) : dst;
  });
}

// clang-format off
constexpr Operator kPoolingOperators[] = {
    {.op_type = "AveragePool", .inputs = {1, 1}, .import = average_pool,
     .mapping = {.shapes = kSame, .dims = pool_dims, .rows = follow_each_image},
     .bf16 = {.inputs = 1}, .finite = Finite::of_first},
    {.op_type = "GlobalAveragePool", .inputs = {1, 1}, .import = global<ops::global_avg_pool>,
     .mapping = {.shapes = kSame, .dims = global_pool_dims, .rows = follow_each_image},
     .bf16 = {.inputs = 1}, .finite = Finite::of_first},
    {.op_type = "GlobalLpPool", .inputs = {1, 1}, .import = global_lp_pool,
     .mapping = {.shapes = kSame, .rows = follow_each_image}},
    {.op_type = "GlobalMaxPool", .inputs = {1, 1}, .import = global<ops::global_max_pool>,
     .mapping = {.shapes = kSame, .dims = global_pool_dims, .rows = follow_each_image},
     .finite = Finite::of_first},
    {.op_type = "LpPool", .inputs = {1, 1}, .import = lp_pool,
     .mapping = {.shapes = kSame, .rows = follow_each_image}},
    {.op_type = "MaxPool", .inputs = {1, 1}, .import = max_pool,
     .mapping = {.shapes = kSame, .dims = pool_dims, .rows = follow_max_pool},
     .bf16 = {.inputs = 1}, .finite = Finite::of_first, .moves = Moves::some},
    {.op_type = "MaxUnpool", .since = 9, .inputs = {2, 3}, .import = max_unpool},
};
// clang-format on

}  // namespace

OperatorTable pooling_operators() { return kPoolingOperators; }

}  // namespace quern::onnx
