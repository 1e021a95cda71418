#include "ops/tap_conv.h"

#include <algorithm>
#include <string>

#include "core/parallel.h"
#include "ops/packed_conv_impl.h"
#include "ops/run_steps.h"

namespace quern::ops {
namespace {

/// An axis of an image: dst[i] is from src[i * stride + offset], for i in [begin, end).
struct Line {
  std::int64_t stride, offset, begin, end;

  Line(std::int64_t src, std::int64_t dst, std::int64_t step, std::int64_t first)
      : stride(step), offset(first) {
    const std::int64_t last = src - 1 - offset;
    begin = std::min(offset >= 0 ? 0 : (-offset + stride - 1) / stride, dst);
    end = std::clamp(last < 0 ? 0 : last / stride + 1, begin, dst);
  }
};

/// Where dst lies in src for one element of the window along an axis.
Line line_of(const ConvArgs& args, int axis, std::int64_t element) {
  const backend::Window& window = args.conv.window;
  return {args.src.dim(axis + 2), args.dst.dim(axis + 2), window.strides[axis],
          element * window.dilations[axis] - window.pads_begin[axis]};
}

bool suits_taps(const ConvArgs& args) {
  constexpr std::int64_t kChannels = 16;  // fewer take more moving than multiplying
  const ConvSpec& spec = args.conv.spec;
  const Shape& weight = args.conv.weight->shape();
  if (args.src.dtype() != DType::f32 || spec.transposed || spec.runs_once ||
      spec.options.groups != 1 || weight.rank() > 4 || std::min(weight[0], weight[1]) < kChannels ||
      std::ranges::all_of(args.conv.window.dilations, [](std::int64_t d) { return d == 1; }))
    return false;
  const auto operation = backend::try_prepare(args.conv.describe(args, DType::f32));
  return !operation || operation->kernel().find("gemm") != std::string::npos ||
         operation->kernel().find("ref") != std::string::npos;
}

/// What a tap multiplies for dst's rows [rows.begin, rows.end) of one image: [1, in, rows, columns]
/// with channels last, 0 where a column has nothing in src.
Tensor gather_rows(const Tensor& image, const Line& rows, const Line& columns, std::int64_t width) {
  const std::int64_t channels = image.dim(1);
  if (rows.stride == 1 && columns.stride == 1 && columns.offset == 0 && width == image.dim(3))
    return image.slice(2, rows.begin + rows.offset, rows.end + rows.offset);
  Tensor result =
      empty_in(Layout::channels_last, {1, channels, rows.end - rows.begin, width}, DType::f32);
  const auto* src = static_cast<const float*>(image.raw());
  auto* dst = static_cast<float*>(result.mutable_raw());
  parallel_for(rows.end - rows.begin, 4, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const float* line =
          src + ((rows.begin + row) * rows.stride + rows.offset) * image.dim(3) * channels;
      float* to = dst + row * width * channels;
      to = std::fill_n(to, columns.begin * channels, 0.f);
      if (columns.stride == 1) {
        to = std::copy_n(line + (columns.begin + columns.offset) * channels,
                         (columns.end - columns.begin) * channels, to);
      } else {
        for (std::int64_t i = columns.begin; i < columns.end; ++i)
          to = std::copy_n(line + (i * columns.stride + columns.offset) * channels, channels, to);
      }
      std::fill_n(to, (width - columns.end) * channels, 0.f);
    }
  });
  return result;
}

void fill_with_bias(const ConvArgs& args, Tensor& dst) {
  const std::int64_t channels = dst.dim(1);
  auto* to = static_cast<float*>(dst.mutable_raw());
  const auto& given = args.conv.spec.bias;
  const Tensor bias = given ? given->cast(DType::f32) : Tensor::zeros({channels});
  const float* from = bias.data<float>().data();
  parallel_for(dst.numel() / channels, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t place = begin; place < end; ++place)
      std::copy_n(from, channels, to + place * channels);
  });
}

/// dst += what one element of the window gives, both images with channels last.
void add_tap(const PackedConv& tap, const Tensor& src, const Tensor& dst, const Line& rows,
             const Line& columns) {
  if (rows.begin == rows.end || columns.begin == columns.end) return;
  for (std::int64_t i = 0; i < dst.dim(0); ++i) {
    const Tensor part = dst.slice(0, i, i + 1).slice(2, rows.begin, rows.end);
    tap.run(gather_rows(src.slice(0, i, i + 1), rows, columns, dst.dim(3)), part, {{part}});
  }
}

}  // namespace

const std::vector<PackedConv>& TapConv::of(const ConstantWeight& constant) {
  const std::scoped_lock lock(mutex_);
  if (!taps_.empty()) return taps_;
  const Tensor given = constant.elements();
  const Tensor weight = given.rank() == 4 ? given : given.unsqueeze(2);
  for (std::int64_t row = 0; row < weight.dim(2); ++row) {
    for (std::int64_t column = 0; column < weight.dim(3); ++column) {
      const Tensor tap = weight.slice(2, row, row + 1).slice(3, column, column + 1);
      taps_.push_back(PackedConv({.weight = tap, .steps = {Binary::add}}));
    }
  }
  return taps_;
}

bool run_by_taps(const ConvArgs& args) {
  if (!suits_taps(args)) return false;
  const bool in_place =
      is_channels_last(args.dst) && std::ranges::none_of(args.operands, [&](const Tensor& operand) {
        return operand.raw() == args.dst.raw();
      });
  const Tensor given = in_layout(args.src, DType::f32, Layout::channels_last);
  Tensor result =
      in_place ? args.dst : empty_in(Layout::channels_last, args.dst.shape(), DType::f32);
  fill_with_bias(args, result);
  const bool image = given.rank() == 4;  // else one of one row
  const Tensor src = image ? given : given.unsqueeze(2);
  const Tensor dst = image ? result : result.unsqueeze(2);
  const std::int64_t width = args.conv.weight->shape().dim(-1);
  std::int64_t element = 0;
  for (const PackedConv& tap : args.conv.taps.of(*args.conv.weight)) {
    add_tap(tap, src, dst, image ? line_of(args, 0, element / width) : Line(1, 1, 1, 0),
            line_of(args, image ? 1 : 0, element % width));
    ++element;
  }
  run_steps(args.conv.spec.steps, args.operands, result);
  if (!in_place) copy_into(result, args.dst);
  return true;
}

}  // namespace quern::ops
