#include "kernels/bytes.h"

#include <algorithm>

#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/bytes.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for each target

#include <hwy/highway.h>

#include "kernels/byte_writer-inl.h"

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

class ByteReader {
 public:
  explicit ByteReader(SourceBytes src)
      : data_(static_cast<const std::uint8_t*>(src.data)),
        sign_(hn::Set(ByteInts(), src.is_signed ? 0x80 : 0)) {}

  HWY_INLINE ByteFloat load(std::int64_t at) const { return widen(data_ + at); }
  HWY_INLINE ByteFloat load(std::int64_t at, std::int64_t count) const {
    std::uint8_t part[kMostLanes] = {};
    std::copy_n(data_ + at, count, part);
    return widen(part);
  }

 private:
  HWY_INLINE ByteFloat widen(const std::uint8_t* bytes) const {
    const auto wide = hn::PromoteTo(ByteInts(), hn::LoadU(ByteLanes(), bytes));
    return hn::ConvertTo(ByteFloats(), hn::Sub(hn::Xor(wide, sign_), sign_));
  }

  const std::uint8_t* data_;
  hn::Vec<ByteInts> sign_;
};

class FloatReader {
 public:
  explicit FloatReader(const float* src) : data_(src) {}
  HWY_INLINE ByteFloat load(std::int64_t at) const { return hn::LoadU(ByteFloats(), data_ + at); }
  HWY_INLINE ByteFloat load(std::int64_t at, std::int64_t count) const {
    float part[kMostLanes] = {};
    std::copy_n(data_ + at, count, part);
    return hn::LoadU(ByteFloats(), part);
  }

 private:
  const float* data_;
};

class FloatWriter {
 public:
  explicit FloatWriter(float* dst) : data_(dst) {}
  HWY_INLINE void store(ByteFloat value, std::int64_t at) const {
    hn::StoreU(value, ByteFloats(), data_ + at);
  }
  HWY_INLINE void store(ByteFloat value, std::int64_t at, std::int64_t count) const {
    float part[kMostLanes];
    hn::StoreU(value, ByteFloats(), part);
    std::copy_n(part, count, data_ + at);
  }

 private:
  float* data_;
};

/// body(at) for each whole vector, then body(at, rest) for what is left.
template <class Body>
HWY_INLINE void for_each_vector(std::int64_t count, const Body& body) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(ByteFloats()));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) body(i);
  if (i < count) body(i, count - i);
}

void quantize_run(const float* src, std::int64_t count, float scale, float zero, ResultBytes dst) {
  const FloatReader from(src);
  const ByteWriter to(dst, zero);
  const auto divisor = hn::Set(ByteFloats(), scale);
  for_each_vector(
      count, [&](auto... at) HWY_ATTR { to.store(hn::Div(from.load(at...), divisor), at...); });
}

void dequantize_run(SourceBytes src, std::int64_t count, float scale, float zero, float* dst) {
  const ByteReader from(src);
  const FloatWriter to(dst);
  const auto zeros = hn::Set(ByteFloats(), zero);
  const auto scales = hn::Set(ByteFloats(), scale);
  for_each_vector(count, [&](auto... at) HWY_ATTR {
    to.store(hn::Mul(hn::Sub(from.load(at...), zeros), scales), at...);
  });
}

void rescale_run(const ByteRows& shape, SourceBytes src, float scale, float zero, float dst_scale,
                 float dst_zero, ResultBytes dst) {
  const ByteReader from(src);
  const ByteWriter to(dst, dst_zero);
  const auto zeros = hn::Set(ByteFloats(), zero);
  const auto scales = hn::Set(ByteFloats(), scale);
  const auto divisor = hn::Set(ByteFloats(), dst_scale);
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const std::int64_t read = row * shape.src_pitch;
    const std::int64_t written = row * shape.dst_pitch;
    for_each_vector(shape.size, [&](std::int64_t at, auto... count) HWY_ATTR {
      const auto value = hn::Mul(hn::Sub(from.load(read + at, count...), zeros), scales);
      to.store(hn::Div(value, divisor), written + at, count...);
    });
  }
}

void add_run(SourceBytes a, float a_factor, SourceBytes b, float b_factor, float rest,
             std::int64_t count, ResultBytes dst) {
  const ByteReader left(a);
  const ByteReader right(b);
  const ByteWriter to(dst, 0.f);
  const auto lefts = hn::Set(ByteFloats(), a_factor);
  const auto rights = hn::Set(ByteFloats(), b_factor);
  const auto rests = hn::Set(ByteFloats(), rest);
  for_each_vector(count, [&](auto... at) HWY_ATTR {
    const auto other = hn::MulAdd(right.load(at...), rights, rests);
    to.store(hn::MulAdd(left.load(at...), lefts, other), at...);
  });
}

void multiply_run(SourceBytes a, float a_zero, SourceBytes b, float b_zero, float factor,
                  float zero, std::int64_t count, ResultBytes dst) {
  const ByteReader left(a);
  const ByteReader right(b);
  const ByteWriter to(dst, 0.f);
  const auto left_zeros = hn::Set(ByteFloats(), a_zero);
  const auto right_zeros = hn::Set(ByteFloats(), b_zero);
  const auto factors = hn::Set(ByteFloats(), factor);
  const auto zeros = hn::Set(ByteFloats(), zero);
  for_each_vector(count, [&](auto... at) HWY_ATTR {
    const auto p = hn::Sub(left.load(at...), left_zeros);
    const auto q = hn::Sub(right.load(at...), right_zeros);
    to.store(hn::MulAdd(hn::Mul(p, q), factors, zeros), at...);
  });
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {
namespace {

HWY_EXPORT(quantize_run);
HWY_EXPORT(dequantize_run);
HWY_EXPORT(rescale_run);
HWY_EXPORT(add_run);
HWY_EXPORT(multiply_run);

}  // namespace

void quantize_bytes(const float* src, std::int64_t count, float scale, float zero,
                    ResultBytes dst) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(quantize_run)(src, count, scale, zero, dst);
}

void dequantize_bytes(SourceBytes src, std::int64_t count, float scale, float zero, float* dst) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(dequantize_run)(src, count, scale, zero, dst);
}

void rescale_bytes(SourceBytes src, std::int64_t count, float scale, float zero, float dst_scale,
                   float dst_zero, ResultBytes dst) {
  rescale_byte_rows({1, count, count, count}, src, scale, zero, dst_scale, dst_zero, dst);
}

void rescale_byte_rows(const ByteRows& shape, SourceBytes src, float scale, float zero,
                       float dst_scale, float dst_zero, ResultBytes dst) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(rescale_run)(shape, src, scale, zero, dst_scale, dst_zero, dst);
}

void add_bytes(SourceBytes a, float a_factor, SourceBytes b, float b_factor, float rest,
               std::int64_t count, ResultBytes dst) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(add_run)(a, a_factor, b, b_factor, rest, count, dst);
}

void multiply_bytes(SourceBytes a, float a_zero, SourceBytes b, float b_zero, float factor,
                    float zero, std::int64_t count, ResultBytes dst) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(multiply_run)(a, a_zero, b, b_zero, factor, zero, count, dst);
}

}  // namespace quern::kernels

#endif  // HWY_ONCE
