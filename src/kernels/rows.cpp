#include "kernels/rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rows.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for each target

#include <hwy/highway.h>

#include "kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

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

void layer_norm_row(const float* src, std::int64_t size, const float* scale, const float* shift,
                    float epsilon, float* dst) {
  const Floats d;
  auto sums = hn::Zero(d);
  for_each_vector(size,
                  [&](std::int64_t i, auto mask) { sums = hn::Add(sums, load(mask, src + i)); });
  const auto count = static_cast<float>(size);
  const auto mean = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, sums)) / count);
  auto squares = hn::Zero(d);
  for_each_vector(size, [&](std::int64_t i, auto mask) {
    const auto x = keep(mask, hn::Sub(load(mask, src + i), mean), hn::Zero(d));
    squares = hn::MulAdd(x, x, squares);
  });
  const float variance = hn::GetLane(hn::SumOfLanes(d, squares)) / count;
  const auto factor = hn::Set(d, 1.f / std::sqrt(variance + epsilon));
  for_each_vector(size, [&](std::int64_t i, auto mask) {
    auto x = hn::Mul(hn::Sub(load(mask, src + i), mean), factor);
    if (scale != nullptr) x = hn::Mul(x, load(mask, scale + i));
    if (shift != nullptr) x = hn::Add(x, load(mask, shift + i));
    store(x, mask, dst + i);
  });
}

void softmax_row(const float* src, std::int64_t size, bool logarithm, float* dst) {
  const float shift = softmax_shift(src, size);
  if (std::isnan(shift)) {
    std::fill_n(dst, size, shift);
    return;
  }
  const Floats d;
  if (logarithm) {
    const auto shifts = hn::Set(d, shift);
    const auto logarithms = hn::Set(d, std::log(sum_of_exponentials(src, size, shift, nullptr)));
    for_each_vector(size, [&](std::int64_t i, auto mask) {
      const auto x = hn::Sub(load(mask, src + i), shifts);
      store(hn::Sub(x, logarithms), mask, dst + i);
    });
  } else {
    const auto factor = hn::Set(d, 1.f / sum_of_exponentials(src, size, shift, dst));
    for_each_vector(size, [&](std::int64_t i, auto mask) {
      store(hn::Mul(load(mask, dst + i), factor), mask, dst + i);
    });
  }
}

/// dst = factor times the sum of `rows` rows, of which `vectors` vectors are summed from `src` on.
template <int vectors, class Mask>
HWY_INLINE void sum_columns(const float* src, std::int64_t rows, std::int64_t size, float factor,
                            Mask mask, float* dst) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<Floats> sums[vectors];
  for (auto& sum : sums) sum = hn::Zero(d);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (int v = 0; v < vectors; ++v)
      sums[v] = hn::Add(sums[v], hn::MaskedLoad(mask, d, src + row * size + v * lanes));
  }
  for (int v = 0; v < vectors; ++v)
    hn::BlendedStore(hn::Mul(sums[v], hn::Set(d, factor)), mask, d, dst + v * lanes);
}

void sum_group(const float* src, std::int64_t rows, std::int64_t size, float factor, float* dst) {
  constexpr int kVectors = 4;
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto whole = hn::FirstN(d, hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + kVectors * lanes <= size; i += kVectors * lanes)
    sum_columns<kVectors>(src + i, rows, size, factor, whole, dst + i);
  for (; i < size; i += lanes) {
    const auto mask = hn::FirstN(d, static_cast<std::size_t>(std::min(size - i, lanes)));
    sum_columns<1>(src + i, rows, size, factor, mask, dst + i);
  }
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {
namespace {

HWY_EXPORT(layer_norm_row);
HWY_EXPORT(rms_norm_row);
HWY_EXPORT(softmax_row);
HWY_EXPORT(sum_group);

constexpr std::int64_t kGrain = 16384;  // floats worth a thread's while

/// function(the first float's place) of each row of `size` floats, `grain` floats or more a thread.
template <class Function>
void for_each_row(std::int64_t rows, std::int64_t size, std::int64_t grain,
                  const Function& function) {
  settle_targets();
  parallel_for(rows, grain / std::max<std::int64_t>(size, 1) + 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) function(row * size);
               });
}

}  // namespace

void rms_norm(const float* src, std::int64_t rows, std::int64_t size, const float* scale,
              float epsilon, float* dst) {
  for_each_row(rows, size, kGrain, [&](std::int64_t at) {
    HWY_DYNAMIC_DISPATCH(rms_norm_row)(src + at, size, scale, epsilon, dst + at);
  });
}

void layer_norm(const float* src, std::int64_t rows, std::int64_t size, const float* scale,
                const float* shift, float epsilon, float* dst) {
  for_each_row(rows, size, kGrain, [&](std::int64_t at) {
    HWY_DYNAMIC_DISPATCH(layer_norm_row)(src + at, size, scale, shift, epsilon, dst + at);
  });
}

void softmax(const float* src, std::int64_t rows, std::int64_t size, bool logarithm, float* dst) {
  for_each_row(rows, size, kGrain / 4, [&](std::int64_t at) {
    HWY_DYNAMIC_DISPATCH(softmax_row)(src + at, size, logarithm, dst + at);
  });
}

void sum_rows(const float* src, std::int64_t rows, std::int64_t size, std::int64_t group,
              float factor, float* dst) {
  settle_targets();
  const std::int64_t groups = (rows + group - 1) / group;
  constexpr std::int64_t kSummed = 65536;  // floats worth a thread's while
  parallel_for(groups, kSummed / (size * group) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      HWY_DYNAMIC_DISPATCH(sum_group)
      (src + i * group * size, std::min(group, rows - i * group), size, factor, dst + i * size);
    }
  });
}

}  // namespace quern::kernels

#endif  // HWY_ONCE
