#include "quern/ops/quantization.h"

#include <array>

#include "core/narrow.h"
#include "core/parallel.h"
#include "core/visit.h"
#include "kernels/bytes.h"
#include "ops/byte_matrix.h"
#include "ops/layout.h"
#include "ops/saturate.h"
#include "ops/scale_grid.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

constexpr std::int64_t kByteGrain = 1 << 14;

bool is_low_bit_integer(DType dtype) {
  return dtype == DType::i4 || dtype == DType::u4 || dtype == DType::i2 || dtype == DType::u2;
}

IntegerRange low_bit_range(DType dtype) {
  switch (dtype) {
    case DType::i4:
      return {-8, 7};
    case DType::u4:
      return {0, 15};
    case DType::i2:
      return {-2, 1};
    default:
      return {0, 3};
  }
}

// Stores round(x / scale) + zero in range; `divide` rounds as the precision asks.
template <class Store, class Divide>
void quantize_integers(const ScaleGrid& grid, const float* x, Store* q, IntegerRange range,
                       std::int32_t mask, const Divide& divide) {
  grid.for_each_run([&](std::int64_t begin, std::int64_t count, const float* scales,
                        const float* zeros, std::int64_t step) {
    const float* src = x + begin;
    Store* dst = q + begin;
    if (step == 0) {
      const float scale = *scales;
      const float zero = *zeros;
      for (std::int64_t i = 0; i < count; ++i)
        dst[i] = static_cast<Store>(to_integer(divide(src[i], scale), zero, range) & mask);
    } else {
      for (std::int64_t i = 0; i < count; ++i)
        dst[i] = static_cast<Store>(to_integer(divide(src[i], scales[i]), zeros[i], range) & mask);
    }
  });
}

template <class Divide>
Tensor quantize_by(const Tensor& x, const ScaleGrid& grid, const QuantizeOptions& options,
                   const Divide& divide) {
  const float* src = x.data<float>().data();
  const DType dtype = options.dtype;
  if (is_narrow(dtype) && !is_low_bit_integer(dtype)) {
    Tensor scaled = Tensor::empty(x.shape());
    float* dst = scaled.mutable_data<float>().data();
    grid.for_each_run([&](std::int64_t begin, std::int64_t count, const float* scales,
                          const float* zeros, std::int64_t step) {
      for (std::int64_t i = 0; i < count; ++i)
        dst[begin + i] = divide(src[begin + i], scales[i * step]) + zeros[i * step];
    });
    return narrow(scaled, dtype, options.saturate ? Overflow::saturate : Overflow::propagate);
  }
  Tensor q = Tensor::empty(x.shape(), dtype);
  if (is_low_bit_integer(dtype)) {
    const bool four = dtype == DType::i4 || dtype == DType::u4;
    quantize_integers(grid, src, static_cast<std::uint8_t*>(q.mutable_raw()), low_bit_range(dtype),
                      four ? 15 : 3, divide);
    return q;
  }
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T> && sizeof(T) <= 2 && !std::is_same_v<T, bool>) {
      quantize_integers(grid, src, q.mutable_data<T>().data(), IntegerRange::of<T>(), -1, divide);
    } else {
      fail(ErrorCode::unsupported, "quantize: dtype {} is not supported", dtype);
    }
  });
  return q;
}

bool is_byte_dtype(DType dtype) { return dtype == DType::i8 || dtype == DType::u8; }

Layout layout_of(const Tensor& x) {
  return x.is_contiguous() ? Layout::contiguous : Layout::channels_last;
}

/// In one of the two layouts.
Tensor without_gaps(const Tensor& x) {
  return x.is_contiguous() || is_channels_last(x) ? x : x.contiguous();
}

/// As quantize_by in f32, of one scale and zero point for all.
Tensor quantize_alike(const Tensor& x, const Tensor& scale, float zero, DType dtype) {
  const float divisor = scale.contiguous().data<float>()[0];
  const Tensor given = without_gaps(x);
  const auto* src = static_cast<const float*>(given.raw());
  Tensor q = empty_in(layout_of(given), x.shape(), dtype);
  auto* dst = static_cast<std::uint8_t*>(q.mutable_raw());
  parallel_for(x.numel(), kByteGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels::quantize_bytes(src + begin, end - begin, divisor, zero,
                            {dst + begin, dtype == DType::i8});
  });
  return q;
}

Tensor dequantize_alike(const Tensor& q, const Tensor& scale, float zero) {
  const float factor = scale.cast(DType::f32).contiguous().data<float>()[0];
  const Tensor given = without_gaps(q);
  const auto* src = static_cast<const std::uint8_t*>(given.raw());
  Tensor x = empty_in(layout_of(given), q.shape(), DType::f32);
  auto* dst = static_cast<float*>(x.mutable_raw());
  parallel_for(q.numel(), kByteGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels::dequantize_bytes({src + begin, q.dtype() == DType::i8}, end - begin, factor, zero,
                              dst + begin);
  });
  return x;
}

template <class T>
void dequantize_integers(const ScaleGrid& grid, const T* q, float* x) {
  grid.for_each_run([&](std::int64_t begin, std::int64_t count, const float* scales,
                        const float* zeros, std::int64_t step) {
    const T* src = q + begin;
    float* dst = x + begin;
    if (step == 0) {
      const float scale = *scales;
      const float zero = *zeros;
      for (std::int64_t i = 0; i < count; ++i) dst[i] = (static_cast<float>(src[i]) - zero) * scale;
    } else {
      for (std::int64_t i = 0; i < count; ++i)
        dst[i] = (static_cast<float>(src[i]) - zeros[i]) * scales[i];
    }
  });
}

}  // namespace

Tensor quantize(const Tensor& x, const Tensor& scale, const std::optional<Tensor>& zero_point,
                const QuantizeOptions& options) {
  require(is_floating(scale.dtype()), "quantize: scale has dtype {}", scale.dtype());
  require(!zero_point || zero_point->dtype() == options.dtype,
          "quantize: zero point has dtype {}, the result {}",
          zero_point ? zero_point->dtype() : DType::f32, options.dtype);
  if (options.dtype == DType::f8e8m0)
    fail(ErrorCode::unsupported, "quantize: dtype {} is not supported", options.dtype);
  const DType precision = options.precision;
  const ScaleGrid grid("quantize", x.shape(), scale.cast(precision), zero_point, options.along);
  const bool alike = scale.numel() == 1 && (!zero_point || zero_point->numel() == 1);
  if (alike && precision == DType::f32 && is_byte_dtype(options.dtype)) {
    const auto zero = static_cast<float>(single_zero("quantize", zero_point));
    return quantize_alike(x.cast(DType::f32), scale.cast(DType::f32), zero, options.dtype);
  }
  const Tensor src = x.cast(precision).cast(DType::f32).contiguous();
  switch (precision) {
    case DType::f32:
      return quantize_by(src, grid, options, [](float a, float b) { return a / b; });
    case DType::f16:
      return quantize_by(src, grid, options,
                         [](float a, float b) { return static_cast<float>(Float16(a / b)); });
    case DType::bf16:
      return quantize_by(src, grid, options,
                         [](float a, float b) { return static_cast<float>(BFloat16(a / b)); });
    default:
      fail(ErrorCode::unsupported, "quantize: precision {} is not supported", precision);
  }
}

Tensor dequantize(const Tensor& q, const Tensor& scale, const std::optional<Tensor>& zero_point,
                  const DequantizeOptions& options) {
  require(is_floating(scale.dtype()) || scale.dtype() == DType::f8e8m0,
          "dequantize: scale has dtype {}", scale.dtype());
  require(!zero_point || zero_point->dtype() == q.dtype(),
          "dequantize: zero point has dtype {}, the values {}",
          zero_point ? zero_point->dtype() : DType::f32, q.dtype());
  const ScaleGrid grid("dequantize", q.shape(), scale, zero_point, options.along);
  if (scale.numel() == 1 && is_floating(scale.dtype()) && is_byte_dtype(q.dtype()) &&
      (!zero_point || zero_point->numel() == 1)) {
    const auto zero = static_cast<float>(single_zero("dequantize", zero_point));
    return dequantize_alike(q, scale, zero).cast(options.dtype);
  }
  const Tensor src = (is_narrow(q.dtype()) ? widen(q) : q).contiguous();
  Tensor x = Tensor::empty(q.shape());
  float* dst = x.mutable_data<float>().data();
  visit_dtype(src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr bool kInteger = std::is_integral_v<T> && sizeof(T) <= 4 && !std::is_same_v<T, bool>;
    if constexpr (kInteger || std::is_same_v<T, float>) {
      dequantize_integers(grid, src.data<T>().data(), dst);
    } else {
      fail(ErrorCode::unsupported, "dequantize: dtype {} is not supported", q.dtype());
    }
  });
  return x.cast(options.dtype);
}

Quantized quantize_dynamic(const Tensor& x) {
  require(x.dtype() == DType::f32, "quantize_dynamic: expected f32, got {}", x.dtype());
  const Tensor src = x.contiguous();
  float low = 0;
  float high = 0;
  for (const float value : src.data<float>()) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  const float scale = high == low ? 1.f : (high - low) / 255.f;
  const auto zero = static_cast<std::uint8_t>(to_integer(-low / scale, 0, {0, 255}));
  const Tensor scale_tensor = Tensor::scalar(scale);
  const Tensor zero_tensor = Tensor::scalar(zero);
  return {quantize(src, scale_tensor, zero_tensor), scale_tensor, zero_tensor};
}

namespace {

template <class From, class To>
void requantize_from(const Tensor& acc, const ScaleGrid& grid, float zero, Tensor& y) {
  const Tensor src = acc.contiguous();
  const From* from = src.data<From>().data();
  To* to = y.mutable_data<To>().data();
  grid.for_each_run([&](std::int64_t begin, std::int64_t count, const float* multipliers,
                        const float*, std::int64_t step) {
    for (std::int64_t i = begin; i < begin + count; ++i, multipliers += step)
      to[i] = static_cast<To>(
          to_integer(static_cast<float>(from[i]) * *multipliers, zero, IntegerRange::of<To>()));
  });
}

}  // namespace

Tensor requantize(const Tensor& acc, const Tensor& multiplier, int axis,
                  const Tensor& y_zero_point) {
  require(acc.dtype() == DType::i32 || acc.dtype() == DType::f32,
          "requantize: expected i32 or f32, got {}", acc.dtype());
  require(y_zero_point.numel() == 1, "requantize: zero point has shape {}", y_zero_point.shape());
  const ScaleGrid grid("requantize", acc.shape(), multiplier, std::nullopt, {axis, 0});
  Tensor y = Tensor::empty(acc.shape(), y_zero_point.dtype());
  visit_dtype(y_zero_point.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, std::int8_t> || std::is_same_v<T, std::uint8_t>) {
      const float zero = static_cast<float>(y_zero_point.contiguous().data<T>()[0]);
      acc.dtype() == DType::i32 ? requantize_from<std::int32_t, T>(acc, grid, zero, y)
                                : requantize_from<float, T>(acc, grid, zero, y);
    } else {
      fail(ErrorCode::unsupported, "requantize: dtype {} is not supported", y_zero_point.dtype());
    }
  });
  return y;
}

}  // namespace quern::ops
