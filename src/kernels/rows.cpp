#include "kernels/rows.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rows.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for each target

#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;

void rms_norm_row(const float* src, std::int64_t size, const float* scale, float epsilon,
                  float* dst) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto squares = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const auto value = hn::LoadU(d, src + i);
    squares = hn::MulAdd(value, value, squares);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, squares));
  for (; i < size; ++i) sum += src[i] * src[i];
  const float factor = 1.f / std::sqrt(sum / static_cast<float>(size) + epsilon);
  const auto factors = hn::Set(d, factor);
  for (i = 0; i + lanes <= size; i += lanes) {
    const auto value = hn::Mul(hn::LoadU(d, src + i), factors);
    hn::StoreU(hn::Mul(value, hn::LoadU(d, scale + i)), d, dst + i);
  }
  for (; i < size; ++i) dst[i] = src[i] * factor * scale[i];
}

void silu_mul_range(const float* gate, const float* up, std::int64_t count, float* dst) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto one = hn::Set(d, 1.f);
  const auto limit = hn::Set(d, 104.f);  // exp is infinite from 89 on, and defined up to here
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto g = hn::LoadU(d, gate + i);
    const auto silu = hn::Div(g, hn::Add(one, hn::Exp(d, hn::Min(hn::Neg(g), limit))));
    hn::StoreU(hn::Mul(silu, hn::LoadU(d, up + i)), d, dst + i);
  }
  for (; i < count; ++i) dst[i] = gate[i] / (1.f + std::exp(-gate[i])) * up[i];
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {
namespace {

HWY_EXPORT(rms_norm_row);
HWY_EXPORT(silu_mul_range);

constexpr std::int64_t kGrain = 16384;  // floats worth a thread's while

}  // namespace

void rms_norm(const float* src, std::int64_t rows, std::int64_t size, const float* scale,
              float epsilon, float* dst) {
  settle_targets();
  parallel_for(rows, kGrain / std::max<std::int64_t>(size, 1) + 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) {
                   HWY_DYNAMIC_DISPATCH(rms_norm_row)
                   (src + row * size, size, scale, epsilon, dst + row * size);
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
