#include "ops/packed_conv.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/buffer.h"
#include "core/parallel.h"
#include "core/visit.h"
#include "ops/binary.h"
#include "ops/depthwise_conv.h"
#include "ops/eltwise.h"
#include "ops/nan.h"
#include "ops/packed_conv_impl.h"
#include "ops/run_steps.h"
#include "ops/step_post_op.h"
#include "ops/step_tail.h"
#include "ops/window_loops.h"
#include "quern/runtime.h"

namespace quern::ops {

namespace {

using backend::PostOp;
using backend::Slot;

/// How oneDNN reads a tensor in one of the two layouts, whatever the strides of axes of size 1.
backend::TensorDesc describe_in(Layout layout, const Tensor& x) {
  return layout == Layout::contiguous ? backend::dense_desc(x.dtype(), x.shape())
                                      : backend::channels_last_desc(x.dtype(), x.shape());
}

// 16-bit floats that the machine has no fast products for are computed in f32.
DType computed_in(DType dtype) {
  return dtype == DType::bf16 && backend::has_fast_bf16() ? DType::bf16 : DType::f32;
}

// Operands of the result's shape lie as it does; others broadcast, and are dense.
Layout operand_layout(const Tensor& operand, const Shape& dst) {
  return operand.shape() == dst ? Layout::channels_last : Layout::contiguous;
}

/// Beside a product in f32, oneDNN's kernels for AVX2 read operands of bf16 wrongly.
DType operand_dtype(const Tensor& operand, DType computed) {
  return computed == DType::bf16 && operand.dtype() == DType::bf16 ? DType::bf16 : DType::f32;
}

/// oneDNN's convolutions for CPUs without AVX2 apply steps with an operand wrongly.
bool takes_steps() {
  static const bool takes = runtime_info().isa != "baseline";
  return takes;
}

/// The tail of the steps, where what is added lies as the result does.
std::optional<StepTail> tail_of(const ConvArgs& args) {
  if (!takes_steps()) return std::nullopt;
  const auto tail = step_tail(args.conv.spec.steps);
  const bool fits = !tail || !tail->adds || args.operands.back().shape() == args.dst.shape();
  return fits ? tail : std::nullopt;
}

std::span<const Step> post_ops_of(const ConvArgs& args) {
  if (!takes_steps()) return {};
  const std::span<const Step> steps = args.conv.spec.steps;
  const auto tail = tail_of(args);
  return steps.first(tail ? tail->begin : steps.size());
}

/// What the tail adds, as the result lies.
std::optional<Tensor> addend_of(const ConvArgs& args, const std::optional<StepTail>& tail,
                                DType dtype) {
  if (!tail || !tail->adds) return std::nullopt;
  return in_layout(args.operands.back(), dtype, Layout::channels_last);
}

/// Whether the first step adds what lies just where the result goes. oneDNN's kernels for AVX2 take
/// a sum before all other post-ops only.
bool sums_dst(const ConvArgs& args, DType dtype) {
  const std::span<const Step> steps = post_ops_of(args);
  if (steps.empty() || steps.front() != Binary::add) return false;
  const Tensor& operand = args.operands.front();
  return args.dst.dtype() == dtype && is_channels_last(args.dst) &&
         operand.raw() == args.dst.raw() && operand.dtype() == dtype &&
         operand.shape() == args.dst.shape() && is_channels_last(operand);
}

/// Whether an operand is of a kind that oneDNN's kernels read rightly.
bool is_simple(const Shape& operand, const Shape& result) {
  if (operand == result || operand.numel() == 1) return true;
  return operand[1] == result[1] && operand.numel() == result[1];
}

/// Whether an operation's kernel adds the operands that are its post-ops rightly.
bool adds_rightly(const ConvArgs& args, const backend::Operation& operation) {
  const auto has_operand = [](const Step& step) { return step.has_operand(); };
  if (std::ranges::none_of(post_ops_of(args), has_operand)) return true;
  const auto fits = [&](const Tensor& operand) {
    return is_simple(operand.shape(), args.dst.shape());
  };
  return std::ranges::all_of(args.operands, fits) &&
         operation.kernel().find("gemm") == std::string::npos;
}

bool run_prepared(const ConvArgs& args, DType dtype, bool winograd) {
  const std::span<const Tensor> all(args.operands);
  const std::span<const Tensor> apart = all.subspan(sums_dst(args, dtype) ? 1 : 0);
  const Prepared packed = args.conv.prepared_for(args, dtype, winograd);
  if (!packed.operation || !adds_rightly(args, *packed.operation)) return false;
  const Tensor src = in_layout(args.src, dtype, Layout::channels_last);
  if (winograd && args.finite != Finite::yes && !all_finite(src.raw(), src.numel(), dtype))
    return false;
  const auto tail = tail_of(args);
  const auto addend = addend_of(args, tail, dtype);
  const auto is_dst = [&](const Tensor& operand) { return operand.raw() == args.dst.raw(); };
  const bool in_place = is_channels_last(args.dst) && args.dst.dtype() == dtype &&
                        std::ranges::none_of(apart, is_dst);
  const Tensor dst = in_place ? args.dst : empty_in(Layout::channels_last, args.dst.shape(), dtype);
  std::vector<Tensor> operands;
  std::vector<backend::Argument> arguments{
      {Slot::src, src.raw()}, {Slot::weights, packed.weights.get()}, {Slot::dst, dst.raw()}};
  std::optional<Tensor> bias = args.conv.spec.bias;
  if (bias) {
    bias = bias->cast(DType::f32);
    arguments.push_back({Slot::bias, bias->raw()});
  }
  const std::size_t taken = takes_steps() ? apart.size() - (addend ? 1 : 0) : 0;
  for (const Tensor& operand : apart.first(taken)) {
    operands.push_back(
        in_layout(operand, operand_dtype(operand, dtype), operand_layout(operand, dst.shape())));
    const auto slot = static_cast<int>(Slot::post_op0) + static_cast<int>(operands.size()) - 1;
    arguments.push_back({static_cast<Slot>(slot), operands.back().raw()});
  }
  packed.operation->run(arguments);
  if (tail) tail->run(dst, addend);
  if (!takes_steps()) run_steps(args.conv.spec.steps, args.operands, dst);
  if (!in_place) copy_into(dst, args.dst);
  return true;
}

/// dst = conv(src) + bias, all dense and of T.
template <class T>
void convolve(const ConvArgs& args, const Tensor& src_tensor, Tensor& dst_tensor) {
  const ConvSpec& spec = args.conv.spec;
  const Shape& sizes = args.conv.weight->shape();
  const WindowLoops loops(args.src.shape(), args.dst.shape(),
                          Shape(std::span(sizes.begin() + 2, sizes.end())), args.conv.window,
                          spec.transposed);
  const Tensor weights = args.conv.weight->elements().cast(dtype_of<T>).contiguous();
  const Tensor biases = spec.bias ? spec.bias->cast(dtype_of<T>)
                                  : Tensor::zeros({args.conv.channels_out()}, dtype_of<T>);
  const T* src = src_tensor.data<T>().data();
  const T* weight = weights.data<T>().data();
  const T* bias = biases.data<T>().data();
  T* dst = dst_tensor.mutable_data<T>().data();
  const std::int64_t out = args.conv.channels_out();
  const std::int64_t in = args.conv.channels_in();
  const std::int64_t group_out = out / spec.options.groups;
  const std::int64_t group_in = in / spec.options.groups;
  const std::int64_t src_plane = loops.src_plane();
  const std::int64_t dst_plane = loops.dst_plane();
  const auto fill_plane = [&](std::int64_t plane) {
    const std::int64_t channel = plane % out;
    const std::int64_t first = channel / group_out * group_in;
    const T* source = src + (plane / out * in + first) * src_plane;
    for (std::int64_t place = 0; place < dst_plane; ++place) {
      double total = static_cast<double>(bias[channel]);
      for (std::int64_t i = 0; i < group_in; ++i) {
        const std::int64_t row = spec.transposed ? (first + i) * group_out + channel % group_out
                                                 : channel * group_in + i;
        const T* filter = weight + row * loops.window_size();
        loops.for_each(place, [&](std::int64_t at, std::int64_t element) {
          total += static_cast<double>(source[i * src_plane + at]) *
                   static_cast<double>(filter[element]);
        });
      }
      dst[plane * dst_plane + place] = static_cast<T>(total);
    }
  };
  parallel_for(dst_tensor.dim(0) * out, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) fill_plane(plane);
  });
}

void apply_steps(const std::vector<Step>& steps, const std::vector<Tensor>& operands,
                 const Tensor& dst) {
  std::size_t used = 0;
  for (const Step& given : steps) {
    const PostOp step = to_post_op(given);
    if (given.has_operand()) {
      const Tensor operand = operands[used++].cast(dst.dtype()).expand(dst.shape());
      run_first(binary_implementations(), BinaryArgs{step.binary, dst, operand, dst});
    } else {
      eltwise_implementations().back().run({step.eltwise, dst, dst, step.alpha, step.beta});
    }
  }
}

/// Whether Winograd's algorithm, which multiplies less and moves more, is worth a try. Its kernels
/// have no post-op but relu, and its weights take several products to pack.
bool suits_winograd(const ConvArgs& args) {
  constexpr std::int64_t kChannels =
      32;                                // below this, so do transforms, which take most memory too
  constexpr std::int64_t kPlaces = 128;  // of a channel: below this, reading weights takes longest
  constexpr std::int64_t kProducts = 10000000;  // below this, reorders take what it saves
  const ConvSpec& spec = args.conv.spec;
  const std::span<const Step> steps = post_ops_of(args);
  const Shape& weight = args.conv.weight->shape();
  const auto is_one = [](std::int64_t value) { return value == 1; };
  const auto is_relu = [](const Step& step) { return step == ActivationFunction::Kind::relu; };
  if (args.src.dtype() != DType::f32 || spec.runs_once || spec.transposed ||
      spec.options.groups != 1 || weight.rank() != 4 || weight[2] != 3 || weight[3] != 3 ||
      weight[0] % 16 != 0 || weight[1] % 16 != 0 || std::min(weight[0], weight[1]) < kChannels ||
      !std::ranges::all_of(args.conv.window.strides, is_one) ||
      !std::ranges::all_of(args.conv.window.dilations, is_one) || steps.size() > 1 ||
      !std::ranges::all_of(steps, is_relu))
    return false;
  const std::int64_t places = args.dst.dim(2) * args.dst.dim(3);
  return places >= kPlaces && args.dst.dim(0) * places * weight.numel() >= kProducts;
}

bool run_winograd(const ConvArgs& args) {
  return suits_winograd(args) && run_prepared(args, DType::f32, true);
}

bool run_onednn(const ConvArgs& args) {
  return args.src.dtype() != DType::f64 && run_prepared(args, computed_in(args.src.dtype()), false);
}

bool run_reference(const ConvArgs& args) {
  const DType wide = args.src.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor src = args.src.cast(wide).contiguous();
  Tensor result = Tensor::empty(args.dst.shape(), wide);
  wide == DType::f64 ? convolve<double>(args, src, result) : convolve<float>(args, src, result);
  apply_steps(args.conv.spec.steps, args.operands, result);
  copy_into(result, args.dst);
  return true;
}

constexpr Implementation<ConvArgs> kPackedConvImplementations[] = {{"winograd", run_winograd},
                                                                   {"depthwise", run_depthwise},
                                                                   {"taps", run_by_taps},
                                                                   {"onednn", run_onednn},
                                                                   {"reference", run_reference}};

std::int64_t operand_count(const std::vector<Step>& steps) {
  return std::count_if(steps.begin(), steps.end(),
                       [](const Step& step) { return step.has_operand(); });
}

}  // namespace

Prepared PackedConv::Impl::prepared_for(const ConvArgs& args, DType dtype, bool winograd) const {
  ConvSignature wanted{args.src.shape(), dtype, {}, sums_dst(args, dtype), winograd};
  for (const Tensor& operand : args.operands)
    wanted.operands.emplace_back(operand.dtype(), operand.shape());
  return prepared_.find_or_prepare(wanted, *weight, dtype, [&] {
    return backend::try_prepare(describe(args, dtype, winograd));
  });
}

backend::ConvDesc PackedConv::Impl::describe(const ConvArgs& args, DType dtype,
                                             bool winograd) const {
  backend::ConvDesc desc{.src = backend::channels_last_desc(dtype, args.src.shape()),
                         .weights = backend::dense_desc(dtype, weight->shape()),
                         .dst = backend::channels_last_desc(dtype, args.dst.shape()),
                         .bias = {},
                         .window = window,
                         .groups = spec.options.groups,
                         .transposed = spec.transposed,
                         .winograd = winograd,
                         .post_ops = {}};
  for (int axis = 0; axis < output_padding.rank(); ++axis)
    desc.window.pads_end[axis] -= output_padding[axis];
  if (spec.bias) desc.bias.push_back(backend::dense_desc(DType::f32, {channels_out()}));
  const bool sums = sums_dst(args, dtype);
  std::size_t used = 0;
  for (const Step& given : post_ops_of(args)) {
    PostOp& step = desc.post_ops.emplace_back(to_post_op(given));
    if (!given.has_operand()) continue;
    const Tensor& operand = args.operands[used];
    if (used++ == 0 && sums) {
      step = PostOp::sum();
      continue;
    }
    step.operand = describe_in(operand_layout(operand, args.dst.shape()), operand);
    step.operand.dtype = operand_dtype(operand, dtype);
  }
  return desc;
}

std::span<const Implementation<ConvArgs>> conv_implementations() {
  return kPackedConvImplementations;
}

PackedConv::PackedConv(ConvSpec spec) {
  auto impl = std::make_shared<Impl>();
  const char* name = spec.transposed ? "conv_transpose" : "conv";
  const Shape& shape = spec.weight.shape();
  const ConvOptions& options = spec.options;
  const int rank = spatial_rank(name, shape);
  if (!is_floating(spec.weight.dtype()))
    fail(ErrorCode::unsupported, "{}: expected a floating dtype, got {}", name,
         spec.weight.dtype());
  require(shape.numel() > 0, "{}: weight {} is empty", name, shape);
  require(options.groups > 0 && shape[0] % options.groups == 0,
          "{}: {} groups do not divide the first size of weight {}", name, options.groups, shape);
  impl->window = resolve_window(name, rank, options.strides, options.dilations, options.pads_begin,
                                options.pads_end);
  impl->output_padding = resolve_values(name, "output_padding", rank, spec.output_padding, 0, 0);
  require(operand_count(spec.steps) <= 4, "{}: more than 4 steps with an operand", name);
  impl->weight = std::make_shared<ConstantWeight>(std::exchange(spec.weight, {}));
  impl->spec = std::move(spec);
  const BufferScope heap(nullptr);
  if (impl->spec.bias) {
    Tensor& bias = *impl->spec.bias;
    require(bias.shape() == Shape{impl->channels_out()}, "{}: bias {}, expected [{}]", name,
            bias.shape(), impl->channels_out());
    require(is_floating(bias.dtype()), "{}: bias has dtype {}", name, bias.dtype());
    bias = bias.cast(bias.dtype() == DType::f64 ? DType::f64 : DType::f32).contiguous();
  }
  impl_ = std::move(impl);
}

PackedConv PackedConv::without_steps() const {
  auto impl = std::make_shared<Impl>();
  impl->spec = impl_->spec;
  impl->spec.steps.clear();
  impl->weight = impl_->weight;
  impl->window = impl_->window;
  impl->output_padding = impl_->output_padding;
  return PackedConv(std::shared_ptr<const Impl>(std::move(impl)));
}

Shape PackedConv::result_shape(const Shape& src) const {
  const char* name = impl_->name();
  const Shape& weight = impl_->weight->shape();
  const backend::Window& window = impl_->window;
  require(src.rank() == weight.rank(), "{}: source {} for weight {}", name, src, weight);
  spatial_rank(name, src);
  require(src[1] == impl_->channels_in(), "{}: source {} has {} channels, expected {}", name, src,
          src[1], impl_->channels_in());
  Shape dst{src[0], impl_->channels_out()};
  for (int axis = 0; axis < src.rank() - 2; ++axis) {
    const std::int64_t pads = window.pads_begin[axis] + window.pads_end[axis];
    const std::int64_t reach = window.dilations[axis] * (weight[axis + 2] - 1) + 1;
    const std::int64_t size = src[axis + 2];
    const bool transposed = impl_->spec.transposed;
    const std::int64_t room =
        transposed ? (size - 1) * window.strides[axis] - pads + reach + impl_->output_padding[axis]
                   : size + pads - reach;
    require(room >= (transposed ? 1 : 0) && size > 0,
            "{}: source {} is too small for weight {}: spatial axis {}", name, src, weight, axis);
    dst.push_back(transposed ? room : room / window.strides[axis] + 1);
  }
  return dst;
}

ConvArgs PackedConv::checked(const Tensor& src, const Tensor& dst, std::span<const Tensor> operands,
                             Finite finite) const {
  const char* name = impl_->name();
  if (!is_floating(src.dtype()))
    fail(ErrorCode::unsupported, "{}: expected a floating dtype, got {}", name, src.dtype());
  require(dst.shape() == result_shape(src.shape()) && dst.dtype() == src.dtype(),
          "{}: result is {} {}, expected {} {}", name, dst.dtype(), dst.shape(), src.dtype(),
          result_shape(src.shape()));
  require(static_cast<std::int64_t>(operands.size()) == operand_count(impl_->spec.steps),
          "{}: {} operands for the steps after it", name, operands.size());
  ConvArgs args{*impl_, src, dst, {}, finite};
  for (const Tensor& operand : operands) {
    require(broadcast_shapes(dst.shape(), operand.shape()) == dst.shape(),
            "{}: operand {} does not fit the result {}", name, operand.shape(), dst.shape());
    args.operands.push_back(with_rank(operand, dst.rank()));
  }
  return args;
}

void PackedConv::run(const Tensor& src, const Tensor& dst, std::span<const Tensor> operands,
                     Finite finite) const {
  const ConvArgs args = checked(src, dst, operands, finite);
  if (dst.numel() > 0) run_first(conv_implementations(), args);
}

bool PackedConv::try_run(const Tensor& src, const Tensor& dst, std::span<const Tensor> operands,
                         Finite finite) const {
  const ConvArgs args = checked(src, dst, operands, finite);
  const auto kernels = conv_implementations().first(std::size(kPackedConvImplementations) - 1);
  return dst.numel() == 0 ||
         std::ranges::any_of(kernels, [&](const auto& kernel) { return kernel.run(args); });
}

Tensor PackedConv::empty_result(const Tensor& src, Layout layout) const {
  if (suits_planes(*impl_, src)) layout = Layout::contiguous;
  return empty_in(layout, result_shape(src.shape()), src.dtype());
}

Tensor PackedConv::operator()(const Tensor& src, Layout layout, std::span<const Tensor> operands,
                              Finite finite) const {
  const Tensor dst = empty_result(src, layout);
  run(src, dst, operands, finite);
  return dst;
}

}  // namespace quern::ops
