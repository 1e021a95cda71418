#include "ops/byte_conv.h"

#include <algorithm>
#include <cmath>

#include "core/buffer.h"
#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "ops/byte_matrix.h"
#include "ops/prepared_cache.h"
#include "ops/window_loops.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

using backend::PostOp;
using backend::Slot;

/// What a source and its result decide of an operation.
struct Signature {
  Shape src;
  DType src_dtype, dst_dtype;
  bool src_zero_point, has_bias;
  std::vector<float> multiplier;
  float zero;  // of the result
  bool operator==(const Signature&) const = default;
};

bool is_byte(DType dtype) { return dtype == DType::i8 || dtype == DType::u8; }

}  // namespace

struct ByteConv::Impl {
  std::shared_ptr<ConstantWeight> weight;  // i8
  std::vector<std::int32_t> zero;          // of one element or `out`; empty: 0
  std::int64_t groups = 1;
  backend::Window window;

  std::int64_t channels_out() const { return weight->shape()[0]; }
  Prepared prepared_for(const ByteConvArgs& args) const;

 private:
  backend::ConvDesc describe(const Signature& wanted, const Shape& dst) const;

  mutable PreparedCache<Signature> prepared_;
};

Prepared ByteConv::Impl::prepared_for(const ByteConvArgs& args) const {
  const ByteStore* store = args.store;
  const Signature wanted{.src = args.x.shape(),
                         .src_dtype = args.x.dtype(),
                         .dst_dtype = args.dst.dtype(),
                         .src_zero_point = args.x_zero != 0,
                         .has_bias = store != nullptr && store->bias.has_value(),
                         .multiplier = store != nullptr ? store->multiplier : std::vector<float>(),
                         .zero = store != nullptr
                                     ? static_cast<float>(single_zero("qlinear_conv", store->zero))
                                     : 0.f};
  return prepared_.find_or_prepare(wanted, *weight, DType::i8, [&] {
    return backend::try_prepare(describe(wanted, args.dst.shape()));
  });
}

backend::ConvDesc ByteConv::Impl::describe(const Signature& wanted, const Shape& dst) const {
  backend::ConvDesc desc{.src = backend::channels_last_desc(wanted.src_dtype, wanted.src),
                         .weights = backend::dense_desc(DType::i8, weight->shape()),
                         .dst = backend::channels_last_desc(wanted.dst_dtype, dst),
                         .bias = {},
                         .window = window,
                         .groups = groups,
                         .src_zero_point = wanted.src_zero_point,
                         .post_ops = {}};
  if (wanted.has_bias) desc.bias.push_back(backend::dense_desc(DType::f32, {channels_out()}));
  if (backend::scales_results()) {
    desc.scales = wanted.multiplier;
  } else if (!wanted.multiplier.empty()) {
    Shape channels = Shape::filled(dst.rank(), 1);
    channels[1] = channels_out();
    desc.post_ops.push_back(
        PostOp::with(backend::Binary::mul, backend::dense_desc(DType::f32, channels)));
  }
  // Halves are rounded before the zero point is added, which an even one does not change.
  if (std::fmod(wanted.zero, 2.f) != 0.f)
    desc.post_ops.push_back(PostOp::apply(backend::Eltwise::round));
  if (wanted.zero != 0.f)
    desc.post_ops.push_back(PostOp::apply(backend::Eltwise::linear, 1.f, wanted.zero));
  return desc;
}

namespace {

bool run_onednn(const ByteConvArgs& args) {
  if (!backend::has_exact_bytes() || !args.conv.zero.empty()) return false;
  const Prepared packed = args.conv.prepared_for(args);
  if (!packed.operation) return false;
  const Tensor src = in_layout(args.x, args.x.dtype(), Layout::channels_last);
  const bool in_place = is_channels_last(args.dst);
  const Tensor dst =
      in_place ? args.dst : empty_in(Layout::channels_last, args.dst.shape(), args.dst.dtype());
  std::vector<backend::Argument> arguments{
      {Slot::src, src.raw()}, {Slot::weights, packed.weights.get()}, {Slot::dst, dst.raw()}};
  if (args.x_zero != 0) arguments.push_back({Slot::src_zero_point, &args.x_zero});
  if (args.store != nullptr && !backend::scales_results())
    arguments.push_back({Slot::post_op0, args.store->multiplier.data()});
  Tensor bias;
  if (args.store != nullptr && args.store->bias) {
    bias = args.store->bias->cast(DType::f32).contiguous();
    arguments.push_back({Slot::bias, bias.raw()});
  }
  packed.operation->run(arguments);
  if (!in_place) copy_into(dst, args.dst);
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
  Tensor acc = convolve(args);
  const ByteStore* store = args.store;
  if (store != nullptr && store->bias) {
    Shape channels = Shape::filled(acc.rank(), 1);
    channels[1] = acc.dim(1);
    acc = add(acc, store->bias->reshape(channels));
  }
  if (store != nullptr)
    acc = requantize(acc, Tensor::from(store->multiplier, {acc.dim(1)}), 1, store->zero);
  copy_into(acc, args.dst);
  return true;
}

constexpr Implementation<ByteConvArgs> kImplementations[] = {{"onednn", run_onednn},
                                                             {"reference", run_reference}};

float single_scale(const char* what, const Tensor& scale) {
  require(scale.numel() == 1, "qlinear_conv: expected one scale of the {}, got {}", what,
          scale.shape());
  return scale.cast(DType::f32).reshape({}).item<float>();
}

std::vector<float> multipliers(const Quantized& x, const Tensor& weight_scale,
                               const Quantization& y, std::int64_t out) {
  require(weight_scale.numel() == 1 || weight_scale.shape() == Shape{out},
          "qlinear_conv: expected a weight scale [1] or [{}], got {}", out, weight_scale.shape());
  const float x_scale = single_scale("source", x.scale);
  const float y_scale = single_scale("result", y.scale);
  const Tensor scales = weight_scale.cast(DType::f32).contiguous();
  const std::size_t step = scales.numel() == 1 ? 0 : 1;
  std::vector<float> products(static_cast<std::size_t>(out));
  for (std::size_t i = 0; i < products.size(); ++i)
    products[i] = x_scale * scales.data<float>()[i * step] / y_scale;
  return products;
}

}  // namespace

std::span<const Implementation<ByteConvArgs>> byte_conv_implementations() {
  return kImplementations;
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

Tensor ByteConv::operator()(const Tensor& x, std::int32_t x_zero, Layout layout) const {
  require(is_byte(x.dtype()), "conv_integer: expected i8 or u8, got {}", x.dtype());
  const Tensor dst = empty_in(layout, result_shape(x.shape()), DType::i32);
  if (dst.numel() > 0)
    run_first(byte_conv_implementations(), ByteConvArgs{*impl_, x, x_zero, nullptr, dst});
  return dst;
}

Tensor ByteConv::operator()(const Quantized& x, const Tensor& weight_scale,
                            const std::optional<Tensor>& bias, const Quantization& y,
                            Layout layout) const {
  const std::int64_t out = impl_->channels_out();
  const DType dtype = y.zero_point.dtype();
  require(is_byte(x.values.dtype()), "qlinear_conv: expected i8 or u8, got {}", x.values.dtype());
  require(is_byte(dtype) && y.zero_point.numel() == 1,
          "qlinear_conv: expected one zero point i8 or u8 of the result, got {} {}", dtype,
          y.zero_point.shape());
  require(!bias || (bias->shape() == Shape{out} && bias->dtype() == DType::i32),
          "qlinear_conv: expected a bias [{}] i32", out);
  const std::int32_t x_zero = single_zero("qlinear_conv", x.zero_point);
  const ByteStore store{multipliers(x, weight_scale, y, out), bias, y.zero_point};
  const Tensor dst = empty_in(layout, result_shape(x.values.shape()), dtype);
  if (dst.numel() > 0)
    run_first(byte_conv_implementations(), ByteConvArgs{*impl_, x.values, x_zero, &store, dst});
  return dst;
}

Tensor conv_integer(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& x_zero,
                    const std::optional<Tensor>& weight_zero, const ConvOptions& options) {
  return ByteConv(weight, weight_zero, options)(x, single_zero("conv_integer", x_zero),
                                                Layout::contiguous);
}

Tensor qlinear_conv(const Quantized& x, const Quantized& weight, const std::optional<Tensor>& bias,
                    const Quantization& y, const ConvOptions& options) {
  return ByteConv(weight.values, weight.zero_point, options)(x, weight.scale, bias, y,
                                                             Layout::contiguous);
}

}  // namespace quern::ops
