#include "ops/byte_elementwise.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "kernels/bytes.h"
#include "ops/byte_matrix.h"
#include "ops/layout.h"
#include "quern/ops/cast.h"

namespace quern::ops {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

float scale_of(const Tensor& scale) {
  require(scale.numel() == 1, "operation on bytes: expected one scale, got {}", scale.shape());
  return scale.cast(DType::f32).reshape({}).item<float>();
}

void check_bytes(DType dtype) {
  if (dtype != DType::i8 && dtype != DType::u8)
    fail(ErrorCode::unsupported, "operation on bytes: dtype {} is not supported", dtype);
}

bool lies_without_gaps(const Tensor& x) {
  return x.is_contiguous() || (x.rank() >= 3 && is_channels_last(x));
}

Tensor empty_like(const Tensor& x, DType dtype) {
  return x.is_contiguous() ? Tensor::empty(x.shape(), dtype)
                           : empty_in(Layout::channels_last, x.shape(), dtype);
}

template <class T>
const T* elements_of(const Tensor& x) {
  return static_cast<const T*>(x.raw());
}

kernels::SourceBytes source_at(const Tensor& x, std::int64_t begin) {
  return {static_cast<const std::uint8_t*>(x.raw()) + begin, x.dtype() == DType::i8};
}

/// Runs a kernel on a and b, which broadcast, element by element in the order of memory.
template <class Run>
Tensor zip_bytes(const Tensor& a, const Tensor& b, DType dtype, const Run& run) {
  for (const DType given : {a.dtype(), b.dtype(), dtype}) check_bytes(given);
  const Shape shape = broadcast_shapes(a.shape(), b.shape());
  const bool alike = a.shape() == b.shape() && a.strides() == b.strides() && lies_without_gaps(a);
  const Tensor left = alike ? a : a.expand(shape).contiguous();
  const Tensor right = alike ? b : b.expand(shape).contiguous();
  Tensor dst = empty_like(left, dtype);
  auto* to = static_cast<std::uint8_t*>(dst.mutable_raw());
  parallel_for(shape.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    run(source_at(left, begin), source_at(right, begin), end - begin,
        kernels::ResultBytes{to + begin, dtype == DType::i8});
  });
  return dst;
}

float zero_of(const std::optional<Tensor>& zero_point) {
  return static_cast<float>(single_zero("operation on bytes", zero_point));
}

}  // namespace

Tensor add_bytes(const Quantized& a, const Quantized& b, const Quantization& y) {
  const float y_scale = scale_of(y.scale);
  const float left = scale_of(a.scale) / y_scale;
  const float right = scale_of(b.scale) / y_scale;
  const float rest =
      zero_of(y.zero_point) - (left * zero_of(a.zero_point) + right * zero_of(b.zero_point));
  return zip_bytes(a.values, b.values, y.zero_point.dtype(),
                   [=](auto p, auto q, std::int64_t count, auto dst) {
                     kernels::add_bytes(p, left, q, right, rest, count, dst);
                   });
}

Tensor multiply_bytes(const Quantized& a, const Quantized& b, const Quantization& y) {
  const float factor = scale_of(a.scale) * scale_of(b.scale) / scale_of(y.scale);
  const float left = zero_of(a.zero_point);
  const float right = zero_of(b.zero_point);
  const float zero = zero_of(y.zero_point);
  return zip_bytes(a.values, b.values, y.zero_point.dtype(),
                   [=](auto p, auto q, std::int64_t count, auto dst) {
                     kernels::multiply_bytes(p, left, q, right, factor, zero, count, dst);
                   });
}

namespace {

/// Channels lie together in all parts, and it is channels that are joined.
bool joins_channels_last(std::span<const Quantized> parts, int axis) {
  return axis == 1 && std::ranges::all_of(parts, [](const Quantized& part) {
           return channel_pitch(part.values).has_value();
         });
}

Shape joined_shape(std::span<const Quantized> parts, int axis) {
  Shape shape = parts[0].values.shape();
  shape[axis] = 0;
  for (const Quantized& part : parts) {
    const Shape& own = part.values.shape();
    check_bytes(part.values.dtype());
    require(own.rank() == shape.rank(), "concat of bytes: {} and {}", parts[0].values.shape(), own);
    for (int i = 0; i < own.rank(); ++i) {
      require(i == axis || own[i] == shape[i], "concat of bytes: {} and {} along axis {}",
              parts[0].values.shape(), own, axis);
    }
    shape[axis] += own[axis];
  }
  return shape;
}

}  // namespace

Tensor concat_bytes(std::span<const Quantized> parts, int axis, const Quantization& y) {
  require(!parts.empty(), "concat of bytes: no parts");
  const int rank = parts[0].values.rank();
  require(axis >= -rank && axis < rank, "concat of bytes: axis {} is out of range for {}", axis,
          parts[0].values.shape());
  if (axis < 0) axis += rank;
  const Shape shape = joined_shape(parts, axis);
  const DType dtype = y.zero_point.dtype();
  check_bytes(dtype);
  const bool last = joins_channels_last(parts, axis);
  Tensor dst = empty_in(last ? Layout::channels_last : Layout::contiguous, shape, dtype);
  std::int64_t rows = 1;
  for (int i = 0; i < rank; ++i) rows *= i < axis || (last && i > axis) ? shape[i] : 1;
  if (dst.numel() == 0) return dst;
  const std::int64_t width = dst.numel() / rows;
  const float y_scale = scale_of(y.scale);
  const float y_zero = zero_of(y.zero_point);
  auto* to = static_cast<std::uint8_t*>(dst.mutable_raw());
  for (const Quantized& part : parts) {
    const Tensor src = last ? part.values : part.values.contiguous();
    const std::int64_t size = src.numel() / rows;
    const std::int64_t pitch = last ? *channel_pitch(src) : size;
    const float scale = scale_of(part.scale);
    const float zero = zero_of(part.zero_point);
    parallel_for(rows, 1 + kGrain / (size + 1), [&](std::int64_t begin, std::int64_t end) {
      kernels::rescale_byte_rows({end - begin, size, pitch, width}, source_at(src, begin * pitch),
                                 scale, zero, y_scale, y_zero,
                                 {to + begin * width, dtype == DType::i8});
    });
    to += size;
  }
  return dst;
}

Tensor map_bytes(const Quantized& x, const std::function<Tensor(const Tensor&)>& function,
                 const Quantization& y) {
  require(x.scale.numel() == 1 && y.scale.numel() == 1,
          "operation on bytes: expected one scale, got {} and {}", x.scale.shape(),
          y.scale.shape());
  check_bytes(x.values.dtype());
  constexpr std::int64_t kValues = 256;
  Tensor every = Tensor::empty({kValues}, DType::u8);
  const auto codes = every.mutable_data<std::uint8_t>();
  std::iota(codes.begin(), codes.end(), std::uint8_t{0});
  if (x.values.dtype() == DType::i8) every = bit_cast(every, DType::i8);
  const Tensor floats = dequantize(every, x.scale, x.zero_point);
  const Tensor table =
      quantize(function(floats), y.scale, y.zero_point, {.dtype = y.zero_point.dtype()});
  const Tensor src = lies_without_gaps(x.values) ? x.values : x.values.contiguous();
  Tensor dst = empty_like(src, table.dtype());
  const auto* from = elements_of<std::uint8_t>(src);
  const auto* results = elements_of<std::uint8_t>(table);
  auto* to = static_cast<std::uint8_t*>(dst.mutable_raw());
  parallel_for(src.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = results[from[i]];
  });
  return dst;
}

}  // namespace quern::ops
