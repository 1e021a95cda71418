#include "ops/byte_conv.h"

#include <algorithm>
#include <cmath>

#include "core/buffer.h"
#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "kernels/channel_conv.h"
#include "ops/byte_matrix.h"
#include "ops/prepared_cache.h"
#include "ops/window_loops.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

using backend::PostOp;
using backend::Slot;

/// What a source decides of an operation.
struct Signature {
  Shape src;
  DType src_dtype;
  bool src_zero_point, has_bias;
  bool operator==(const Signature&) const = default;
};

bool is_byte(DType dtype) { return dtype == DType::i8 || dtype == DType::u8; }

}  // namespace

struct ByteConv::Impl {
  std::shared_ptr<ConstantWeight> weight;  // i8
  std::vector<std::int32_t> zero;          // of one element or `out`; empty: 0
  std::int64_t groups = 1;
  backend::Window window;
  std::shared_ptr<const kernels::ChannelFilters> by_channel;  // null: for another kernel
  std::optional<ByteStore> store;                             // none: results are i32
  std::optional<Tensor> bias;                                 // the store's, in f32
  // The same less what the zero point of sources adds to each sum, where that is exact.
  std::optional<Tensor> shifted_bias;
  std::int32_t shift = 0;

  std::int64_t channels_out() const { return weight->shape()[0]; }
  DType result_dtype() const { return store ? store->zero.dtype() : DType::i32; }
  bool is_shifted(const ByteConvArgs& args) const { return shifted_bias && args.x_zero == shift; }
  const std::optional<Tensor>& bias_for(const ByteConvArgs& args) const {
    return is_shifted(args) ? shifted_bias : bias;
  }
  bool subtracts_zero_point(const ByteConvArgs& args) const {
    return args.x_zero != 0 && !is_shifted(args);
  }
  void shift_bias(std::int32_t x_zero);
  Prepared prepared_for(const ByteConvArgs& args) const;

 private:
  backend::ConvDesc describe(const ByteConvArgs& args) const;

  mutable PreparedCache<Signature> prepared_;
};

Prepared ByteConv::Impl::prepared_for(const ByteConvArgs& args) const {
  const Signature wanted{args.x.shape(), args.x.dtype(), subtracts_zero_point(args),
                         bias_for(args).has_value()};
  return prepared_.find_or_prepare(wanted, *weight, DType::i8,
                                   [&] { return backend::try_prepare(describe(args)); });
}

/// Without pads every sum has the same products of the zero point: those with a filter's elements.
void ByteConv::Impl::shift_bias(std::int32_t x_zero) {
  const bool has_fractions = bias && store->bias->dtype() == DType::f32;
  const double most = has_fractions ? 1 << 14 : 1 << 24;  // that f32 holds well enough
  const auto is_zero = [](std::int64_t pad) { return pad == 0; };
  const bool pads = !std::ranges::all_of(window.pads_begin, is_zero) ||
                    !std::ranges::all_of(window.pads_end, is_zero);
  if (x_zero == 0 || pads || !zero.empty()) return;
  const Tensor rows = weight->elements().reshape({channels_out(), -1});
  const int within[] = {1};
  const Tensor sums = sum(rows, within).cast(DType::f64);
  const Tensor products = mul(sums, Tensor::scalar(-static_cast<double>(x_zero)));
  const Tensor shifted = bias ? add(products, bias->cast(DType::f64)) : products;
  for (const double value : shifted.data<double>()) {
    if (std::abs(value) > most) return;
  }
  shifted_bias = shifted.cast(DType::f32);
  shift = x_zero;
}

backend::ConvDesc ByteConv::Impl::describe(const ByteConvArgs& args) const {
  const Shape& dst = args.dst.shape();
  backend::ConvDesc desc{.src = backend::channels_last_desc(args.x.dtype(), args.x.shape()),
                         .weights = backend::dense_desc(DType::i8, weight->shape()),
                         .dst = backend::channels_last_desc(args.dst.dtype(), dst),
                         .bias = {},
                         .window = window,
                         .groups = groups,
                         .src_zero_point = subtracts_zero_point(args),
                         .post_ops = {}};
  if (bias_for(args)) desc.bias.push_back(backend::dense_desc(DType::f32, {channels_out()}));
  if (!store) return desc;
  if (backend::scales_results()) {
    desc.scales = store->multiplier;
  } else {
    Shape channels = Shape::filled(dst.rank(), 1);
    channels[1] = channels_out();
    desc.post_ops.push_back(
        PostOp::with(backend::Binary::mul, backend::dense_desc(DType::f32, channels)));
  }
  const auto zero_point = static_cast<float>(single_zero("qlinear_conv", store->zero));
  // Halves are rounded before the zero point is added, which an even one does not change.
  if (std::fmod(zero_point, 2.f) != 0.f)
    desc.post_ops.push_back(PostOp::apply(backend::Eltwise::round));
  if (zero_point != 0.f)
    desc.post_ops.push_back(PostOp::apply(backend::Eltwise::linear, 1.f, zero_point));
  return desc;
}

namespace {

/// dst, or a tensor to copy to it where it has another layout.
Tensor channels_last_or_new(const Tensor& dst) {
  return is_channels_last(dst) ? dst : empty_in(Layout::channels_last, dst.shape(), dst.dtype());
}

/// The filters in the order of the kernel that has each channel by itself; null: it has no such.
std::shared_ptr<const kernels::ChannelFilters> filters_by_channel(const ByteConv::Impl& conv) {
  const Shape& shape = conv.weight->shape();
  const backend::Window& window = conv.window;
  const bool fits = shape.rank() == 4 && shape[0] == conv.groups && shape[1] == 1 &&
                    shape[2] == shape[3] && window.strides[0] == window.strides[1] &&
                    window.dilations[0] == 1 && window.dilations[1] == 1 && conv.zero.empty() &&
                    kernels::convolves_channels(shape[2], window.strides[0]);
  if (!fits) return nullptr;
  const Tensor weight = conv.weight->elements();
  return std::make_shared<const kernels::ChannelFilters>(weight.data<std::int8_t>().data(),
                                                         shape[0], shape[2]);
}

bool run_by_channel(const ByteConvArgs& args) {
  const std::optional<ByteStore>& store = args.conv.store;
  const std::int32_t lowest = args.x.dtype() == DType::i8 ? -128 : 0;
  if (!args.conv.by_channel || !store || args.x_zero < lowest || args.x_zero > lowest + 255)
    return false;
  if (store->bias && store->bias->dtype() != DType::i32) return false;
  const Tensor src = in_layout(args.x, args.x.dtype(), Layout::channels_last);
  Tensor dst = channels_last_or_new(args.dst);
  kernels::ChannelConv conv;
  conv.filters = args.conv.by_channel.get();
  conv.batch = src.dim(0);
  conv.height = src.dim(2);
  conv.width = src.dim(3);
  conv.dst_height = dst.dim(2);
  conv.dst_width = dst.dim(3);
  conv.stride = args.conv.window.strides[0];
  conv.pad_top = args.conv.window.pads_begin[0];
  conv.pad_left = args.conv.window.pads_begin[1];
  conv.src = {src.raw(), src.dtype() == DType::i8};
  conv.src_zero = args.x_zero;
  if (store->bias) conv.bias = store->bias->data<std::int32_t>().data();
  conv.multiplier = store->multiplier.data();
  conv.dst_zero = static_cast<float>(single_zero("qlinear_conv", store->zero));
  conv.dst = {dst.mutable_raw(), dst.dtype() == DType::i8};
  kernels::convolve_channels(conv);
  if (!is_channels_last(args.dst)) copy_into(dst, args.dst);
  return true;
}

bool run_onednn(const ByteConvArgs& args) {
  if (!backend::has_exact_bytes() || !args.conv.zero.empty()) return false;
  const Prepared packed = args.conv.prepared_for(args);
  if (!packed.operation) return false;
  const Tensor src = in_layout(args.x, args.x.dtype(), Layout::channels_last);
  const Tensor dst = channels_last_or_new(args.dst);
  std::vector<backend::Argument> arguments{
      {Slot::src, src.raw()}, {Slot::weights, packed.weights.get()}, {Slot::dst, dst.raw()}};
  if (args.conv.subtracts_zero_point(args))
    arguments.push_back({Slot::src_zero_point, &args.x_zero});
  const std::optional<ByteStore>& store = args.conv.store;
  if (store && !backend::scales_results())
    arguments.push_back({Slot::post_op0, store->multiplier.data()});
  if (const auto& bias = args.conv.bias_for(args)) arguments.push_back({Slot::bias, bias->raw()});
  packed.operation->run(arguments);
  if (!is_channels_last(args.dst)) copy_into(dst, args.dst);
  return true;
}

Tensor convolve(const ByteConvArgs& args) {
  const Tensor weight = args.conv.weight->elements();
  const Shape& shape = args.dst.shape();
  Tensor dst = Tensor::empty(shape, DType::i32);
  const Shape& sizes = weight.shape();
  const WindowLoops loops(args.x.shape(), shape, Shape(std::span(sizes.begin() + 2, sizes.end())),
                          args.conv.window);
  const Tensor source = sub(args.x.cast(DType::i32), Tensor::scalar(args.x_zero));
  const std::int32_t* src = source.data<std::int32_t>().data();
  const std::int8_t* filters = weight.data<std::int8_t>().data();
  std::int32_t* result = dst.mutable_data<std::int32_t>().data();
  const std::vector<std::int32_t>& zeros = args.conv.zero;
  const std::int64_t out = weight.dim(0);
  const std::int64_t in = weight.dim(1);
  const auto fill_plane = [&](std::int64_t plane) {
    const std::int64_t channel = plane % out;
    const std::int64_t first = channel / (out / args.conv.groups) * in;
    const std::int32_t* own =
        src + (plane / out * in * args.conv.groups + first) * loops.src_plane();
    const std::int8_t* filter = filters + channel * in * loops.window_size();
    const std::int32_t zero =
        zeros.empty() ? 0 : zeros[zeros.size() == 1 ? 0 : static_cast<std::size_t>(channel)];
    for (std::int64_t place = 0; place < loops.dst_plane(); ++place) {
      std::uint32_t total = 0;  // wraps as the kernels' do
      for (std::int64_t i = 0; i < in; ++i) {
        loops.for_each(place, [&](std::int64_t at, std::int64_t element) {
          const std::int32_t factor = filter[i * loops.window_size() + element] - zero;
          total += static_cast<std::uint32_t>(own[i * loops.src_plane() + at] * factor);
        });
      }
      result[plane * loops.dst_plane() + place] = static_cast<std::int32_t>(total);
    }
  };
  parallel_for(shape[0] * out, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) fill_plane(plane);
  });
  return dst;
}

bool run_reference(const ByteConvArgs& args) {
  const Tensor acc = convolve(args);
  const std::optional<ByteStore>& store = args.conv.store;
  copy_into(store ? store->bytes_of(acc, 1) : acc, args.dst);
  return true;
}

constexpr Implementation<ByteConvArgs> kImplementations[] = {
    {"by channel", run_by_channel}, {"onednn", run_onednn}, {"reference", run_reference}};

float single_scale(const char* operation, const char* what, const Tensor& scale) {
  require(scale.numel() == 1, "{}: expected one scale of the {}, got {}", operation, what,
          scale.shape());
  return scale.cast(DType::f32).reshape({}).item<float>();
}

}  // namespace

std::span<const Implementation<ByteConvArgs>> byte_conv_implementations() {
  return kImplementations;
}

bool convolves_bytes() { return backend::has_exact_bytes(); }

ByteStore ByteStore::of(const char* operation, const Tensor& x_scale, const Tensor& weight_scale,
                        const std::optional<Tensor>& bias, const Quantization& y,
                        std::int64_t out) {
  require(weight_scale.numel() == 1 || weight_scale.shape() == Shape{out},
          "{}: expected a weight scale [1] or [{}], got {}", operation, out, weight_scale.shape());
  const DType dtype = y.zero_point.dtype();
  require(is_byte(dtype) && y.zero_point.numel() == 1,
          "{}: expected one zero point i8 or u8 of the result, got {} {}", operation, dtype,
          y.zero_point.shape());
  require(!bias || (bias->shape() == Shape{out} &&
                    (bias->dtype() == DType::i32 || bias->dtype() == DType::f32)),
          "{}: expected a bias [{}] i32", operation, out);
  const float source = single_scale(operation, "source", x_scale);
  const float result = single_scale(operation, "result", y.scale);
  const Tensor scales = weight_scale.cast(DType::f32).contiguous();
  const std::size_t step = scales.numel() == 1 ? 0 : 1;
  ByteStore store{std::vector<float>(static_cast<std::size_t>(out)), bias, y.zero_point};
  for (std::size_t i = 0; i < store.multiplier.size(); ++i)
    store.multiplier[i] = source * scales.data<float>()[i * step] / result;
  return store;
}

Tensor ByteStore::bytes_of(const Tensor& acc, int axis) const {
  const auto channels = static_cast<std::int64_t>(multiplier.size());
  const Tensor multipliers = Tensor::from(multiplier, {channels});
  if (!bias) return requantize(acc, multipliers, axis, zero);
  Shape shape = Shape::filled(acc.rank(), 1);
  shape[axis < 0 ? axis + acc.rank() : axis] = channels;
  const Tensor sum = add(acc.cast(bias->dtype()), bias->reshape(shape));
  return requantize(sum, multipliers, axis, zero);
}

ByteConv::ByteConv(const Tensor& weight, const std::optional<Tensor>& zero_point,
                   const ConvOptions& options) {
  const BufferScope heap(nullptr);
  auto impl = std::make_shared<Impl>();
  const int rank = spatial_rank("conv_integer", weight.shape());
  require(weight.numel() > 0, "conv_integer: weight {} is empty", weight.shape());
  require(options.groups > 0 && weight.dim(0) % options.groups == 0,
          "conv_integer: {} groups do not divide the first size of weight {}", options.groups,
          weight.shape());
  impl->weight = std::make_shared<ConstantWeight>(as_signed(weight));
  impl->groups = options.groups;
  impl->window = resolve_window("conv_integer", rank, options.strides, options.dilations,
                                options.pads_begin, options.pads_end);
  impl->zero = signed_zeros("conv_integer", weight, zero_point, weight.dim(0));
  impl->by_channel = filters_by_channel(*impl);
  impl_ = std::move(impl);
}

Shape ByteConv::result_shape(const Shape& src) const {
  const Shape& weight = impl_->weight->shape();
  const backend::Window& window = impl_->window;
  require(src.rank() == weight.rank(), "conv_integer: source {} for weight {}", src, weight);
  require(src[1] == weight[1] * impl_->groups,
          "conv_integer: source {} has {} channels, expected {}", src, src[1],
          weight[1] * impl_->groups);
  Shape dst{src[0], weight[0]};
  for (int axis = 0; axis < src.rank() - 2; ++axis) {
    const std::int64_t reach = window.dilations[axis] * (weight[axis + 2] - 1) + 1;
    const std::int64_t room =
        src[axis + 2] + window.pads_begin[axis] + window.pads_end[axis] - reach;
    require(room >= 0 && src[axis + 2] > 0,
            "conv_integer: source {} is too small for weight {}: spatial axis {}", src, weight,
            axis);
    dst.push_back(room / window.strides[axis] + 1);
  }
  return dst;
}

ByteConv ByteConv::stored_as(ByteStore store, std::int32_t x_zero) const {
  const BufferScope heap(nullptr);
  auto impl = std::make_shared<Impl>();
  impl->weight = impl_->weight;
  impl->zero = impl_->zero;
  impl->groups = impl_->groups;
  impl->window = impl_->window;
  impl->by_channel = impl_->by_channel;
  if (store.bias) {
    store.bias = store.bias->contiguous();
    impl->bias = store.bias->cast(DType::f32);
  }
  impl->store = std::move(store);
  impl->shift_bias(x_zero);
  return ByteConv(std::shared_ptr<const Impl>(std::move(impl)));
}

Tensor ByteConv::operator()(const Tensor& x, std::int32_t x_zero, Layout layout) const {
  require(is_byte(x.dtype()), "conv_integer: expected i8 or u8, got {}", x.dtype());
  const Tensor dst = empty_in(layout, result_shape(x.shape()), impl_->result_dtype());
  if (dst.numel() > 0) run_first(byte_conv_implementations(), ByteConvArgs{*impl_, x, x_zero, dst});
  return dst;
}

Tensor conv_integer(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& x_zero,
                    const std::optional<Tensor>& weight_zero, const ConvOptions& options) {
  return ByteConv(weight, weight_zero, options)(x, single_zero("conv_integer", x_zero),
                                                Layout::contiguous);
}

Tensor qlinear_conv(const Quantized& x, const Quantized& weight, const std::optional<Tensor>& bias,
                    const Quantization& y, const ConvOptions& options) {
  const std::int64_t out = weight.values.rank() > 0 ? weight.values.dim(0) : 0;
  const std::int32_t x_zero = single_zero("qlinear_conv", x.zero_point);
  const ByteConv conv(weight.values, weight.zero_point, options);
  return conv.stored_as(ByteStore::of("qlinear_conv", x.scale, weight.scale, bias, y, out), x_zero)(
      x.values, x_zero, Layout::contiguous);
}

}  // namespace quern::ops
