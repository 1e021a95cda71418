#include "ops/byte_elementwise.h"

#include <array>
#include <numeric>

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "core/visit.h"
#include "ops/byte_matrix.h"
#include "ops/layout.h"
#include "ops/saturate.h"
#include "quern/ops/cast.h"

namespace quern::ops {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

float scale_of(const Tensor& scale) {
  require(scale.numel() == 1, "operation on bytes: expected one scale, got {}", scale.shape());
  return scale.cast(DType::f32).reshape({}).item<float>();
}

template <class Function>
void visit_bytes(DType dtype, const Function& function) {
  if (dtype == DType::i8) return function(std::int8_t{});
  if (dtype == DType::u8) return function(std::uint8_t{});
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

/// dst = combine(a, b), rounded, element by element in the order of memory.
template <class Combine>
Tensor zip_bytes(const Tensor& a, const Tensor& b, DType dtype, const Combine& combine) {
  const Shape shape = broadcast_shapes(a.shape(), b.shape());
  const bool alike = a.shape() == b.shape() && a.strides() == b.strides() && lies_without_gaps(a);
  const Tensor left = alike ? a : a.expand(shape).contiguous();
  const Tensor right = alike ? b : b.expand(shape).contiguous();
  Tensor dst = empty_like(left, dtype);
  visit_bytes(left.dtype(), [&](auto left_tag) {
    visit_bytes(right.dtype(), [&](auto right_tag) {
      visit_bytes(dtype, [&](auto dst_tag) {
        using T = decltype(dst_tag);
        const auto* p = elements_of<decltype(left_tag)>(left);
        const auto* q = elements_of<decltype(right_tag)>(right);
        T* to = static_cast<T*>(dst.mutable_raw());
        parallel_for(shape.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const float value = combine(static_cast<float>(p[i]), static_cast<float>(q[i]));
            to[i] = static_cast<T>(to_integer(value, 0.f, IntegerRange::of<T>()));
          }
        });
      });
    });
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
                   [=](float p, float q) { return p * left + (q * right + rest); });
}

Tensor multiply_bytes(const Quantized& a, const Quantized& b, const Quantization& y) {
  const float factor = scale_of(a.scale) * scale_of(b.scale) / scale_of(y.scale);
  const float left = zero_of(a.zero_point);
  const float right = zero_of(b.zero_point);
  const float zero = zero_of(y.zero_point);
  return zip_bytes(a.values, b.values, y.zero_point.dtype(),
                   [=](float p, float q) { return (p - left) * (q - right) * factor + zero; });
}

Tensor map_bytes(const Quantized& x, const std::function<Tensor(const Tensor&)>& function,
                 const Quantization& y) {
  require(x.scale.numel() == 1 && y.scale.numel() == 1,
          "operation on bytes: expected one scale, got {} and {}", x.scale.shape(),
          y.scale.shape());
  visit_bytes(x.values.dtype(), [](auto) {});  // throws for others
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
