#include "kernels/activation.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/simd.h"
#include "kernels/simd_decode.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for each target

#include <hwy/highway.h>

#include "kernels/exponential-inl.h"
#include "kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

using Floats = hn::ScalableTag<float>;
using FloatVec = hn::Vec<Floats>;

/// Coefficients of a polynomial, the highest power's first.
template <std::size_t size>
HWY_INLINE FloatVec polynomial(FloatVec x, const float (&coefficients)[size]) {
  const Floats d;
  FloatVec sum = hn::Set(d, coefficients[0]);
  for (std::size_t i = 1; i < size; ++i) sum = hn::MulAdd(sum, x, hn::Set(d, coefficients[i]));
  return sum;
}

/// x / (1 + exp(-slope * x)).
HWY_INLINE FloatVec gated(FloatVec x, FloatVec slope) {
  const Floats d;
  return hn::Div(x, hn::Add(hn::Set(d, 1.f), exponential(hn::Neg(hn::Mul(slope, x)))));
}

/// max(x, 0) - |x| times the normal distribution beyond |x|, which is exp(-x² / 2) times a
/// quotient of polynomials: least errors of the product up to 14, where it is 1e-42.
HWY_INLINE FloatVec gelu_erf(FloatVec x) {
  constexpr float kAbove[] = {0.0128266076f, 0.100834951f, 0.327976644f, 0.499999911f};
  constexpr float kBelow[] = {0.0321726985f, 0.252139926f, 0.861685693f, 1.45383453f, 1.f};
  const Floats d;
  const FloatVec half = hn::Set(d, 0.5f);
  const FloatVec size = hn::Abs(x);
  const FloatVec near = hn::Min(size, hn::Set(d, 14.f));
  const FloatVec density = exponential(hn::Neg(hn::Mul(hn::Mul(near, half), near)));
  const FloatVec beyond = hn::Div(polynomial(near, kAbove), polynomial(near, kBelow));
  const FloatVec above = hn::MulAdd(x, half, hn::Mul(size, half));
  return hn::NegMulAdd(hn::Mul(near, density), beyond, above);
}

/// Near 0 x times a polynomial of x² (5e-9), else by an exponential that is not above 1.
HWY_INLINE FloatVec tanh_of(FloatVec x) {
  constexpr float kNear[] = {-0.00564831449f, 0.0205898248f, -0.0537251271f, 0.133312747f,
                             -0.333332747f};
  const Floats d;
  const FloatVec one = hn::Set(d, 1.f);
  const FloatVec size = hn::Abs(x);
  const FloatVec square = hn::Mul(x, x);
  const FloatVec near = hn::MulAdd(hn::Mul(x, square), polynomial(square, kNear), x);
  const FloatVec e = exponential(hn::Mul(size, hn::Set(d, -2.f)));
  const FloatVec far = hn::Div(hn::Sub(one, e), hn::Add(one, e));
  return hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.63f)), near, hn::CopySign(far, x));
}

template <ActivationFunction::Kind function>
HWY_INLINE FloatVec value_of(FloatVec x) {
  const Floats d;
  const FloatVec one = hn::Set(d, 1.f);
  if constexpr (function == ActivationFunction::Kind::silu) {
    return gated(x, one);
  } else if constexpr (function == ActivationFunction::Kind::sigmoid) {
    return hn::Div(one, hn::Add(one, exponential(hn::Neg(x))));
  } else if constexpr (function == ActivationFunction::Kind::tanh) {
    return tanh_of(x);
  } else if constexpr (function == ActivationFunction::Kind::gelu_erf) {
    return gelu_erf(x);
  } else if constexpr (function == ActivationFunction::Kind::gelu_tanh) {
    constexpr float kSlope = 1.59576912f;  // sqrt(8 / pi)
    const FloatVec cubic = hn::Set(d, kSlope * 0.044715f);
    return gated(x, hn::MulAdd(hn::Mul(x, x), cubic, hn::Set(d, kSlope)));
  } else {
    static_assert(function == ActivationFunction::Kind::mish);
    // tanh(log(1 + e)) = n / (n + 2), n = e * (e + 2); 1 from 20 on.
    const FloatVec two = hn::Set(d, 2.f);
    const FloatVec e = exponential(hn::Min(x, hn::Set(d, 20.f)));
    const FloatVec n = hn::Mul(e, hn::Add(e, two));
    return hn::Mul(x, hn::Div(n, hn::Add(n, two)));
  }
}

template <ActivationFunction::Kind function>
void activate_range(const float* src, const float* addend, std::int64_t count, float* dst) {
  for_each_vector(count, [&](std::int64_t i, auto mask) HWY_ATTR {
    FloatVec y = value_of<function>(load(mask, src + i));
    if (addend != nullptr) y = hn::Add(y, load(mask, addend + i));
    store(y, mask, dst + i);
  });
}

void activate_by(ActivationFunction::Kind function, const float* src, const float* addend,
                 std::int64_t count, float* dst) {
  switch (function) {
    case ActivationFunction::Kind::gelu_erf:
      return activate_range<ActivationFunction::Kind::gelu_erf>(src, addend, count, dst);
    case ActivationFunction::Kind::gelu_tanh:
      return activate_range<ActivationFunction::Kind::gelu_tanh>(src, addend, count, dst);
    case ActivationFunction::Kind::mish:
      return activate_range<ActivationFunction::Kind::mish>(src, addend, count, dst);
    case ActivationFunction::Kind::sigmoid:
      return activate_range<ActivationFunction::Kind::sigmoid>(src, addend, count, dst);
    case ActivationFunction::Kind::silu:
      return activate_range<ActivationFunction::Kind::silu>(src, addend, count, dst);
    case ActivationFunction::Kind::tanh:
      return activate_range<ActivationFunction::Kind::tanh>(src, addend, count, dst);
    default:
      return;
  }
}

void silu_mul_range(const float* gate, const float* up, std::int64_t count, float* dst) {
  for_each_vector(count, [&](std::int64_t i, auto mask) HWY_ATTR {
    const FloatVec silu = value_of<ActivationFunction::Kind::silu>(load(mask, gate + i));
    store(hn::Mul(silu, load(mask, up + i)), mask, dst + i);
  });
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {
namespace {

HWY_EXPORT(activate_by);
HWY_EXPORT(silu_mul_range);

constexpr std::int64_t kGrain = 16384;  // elements worth a thread's while

void widen(const BFloat16* src, std::int64_t count, float* dst) {
  widen_to_f32(DType::bf16, reinterpret_cast<const std::byte*>(src), dst, count);
}

}  // namespace

bool is_fast_at(ActivationFunction::Kind function) {
  switch (function) {
    case ActivationFunction::Kind::gelu_erf:
    case ActivationFunction::Kind::gelu_tanh:
    case ActivationFunction::Kind::mish:
    case ActivationFunction::Kind::sigmoid:
    case ActivationFunction::Kind::silu:
      return true;
    default:
      return false;
  }
}

void activate(ActivationFunction::Kind function, const float* src, const float* addend,
              std::int64_t count, float* dst) {
  settle_targets();
  parallel_for(count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(activate_by)
    (function, src + begin, addend == nullptr ? nullptr : addend + begin, end - begin, dst + begin);
  });
}

void activate(ActivationFunction::Kind function, const BFloat16* src, const BFloat16* addend,
              std::int64_t count, BFloat16* dst) {
  constexpr std::int64_t kPiece = 1024;  // stays in the first cache
  settle_targets();
  parallel_for(count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    float values[kPiece];
    float added[kPiece];
    for (std::int64_t i = begin; i < end; i += kPiece) {
      const std::int64_t size = std::min(kPiece, end - i);
      widen(src + i, size, values);
      if (addend != nullptr) widen(addend + i, size, added);
      HWY_DYNAMIC_DISPATCH(activate_by)
      (function, values, addend == nullptr ? nullptr : added, size, values);
      round_to_bf16(values, dst + i, size);
    }
  });
}

void silu_mul(const float* gate, const float* up, std::int64_t count, float* dst) {
  settle_targets();
  parallel_for(count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(silu_mul_range)(gate + begin, up + begin, end - begin, dst + begin);
  });
}

}  // namespace quern::kernels

#endif  // HWY_ONCE
