// Small dense products: what attention multiplies.
#include <hwy/highway.h>

#include "kernels/attention.h"

#if defined(QUERN_KERNELS_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_PRODUCT_INL_H_
#undef QUERN_KERNELS_PRODUCT_INL_H_
#else
#define QUERN_KERNELS_PRODUCT_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, kHeadAlign>;

HWY_INLINE hn::Vec<Floats> load(Floats d, const float* from) { return hn::Load(d, from); }

HWY_INLINE hn::Vec<Floats> load(Floats d, const hwy::float16_t* from) {
  return hn::PromoteTo(d, hn::Load(hn::Rebind<hwy::float16_t, Floats>(), from));
}

/// c[rows, n] = (accumulate ? c : 0) + a[rows, k] · b[k, n], for one block of kRows x kVectors.
template <int kRows, int kVectors, class T>
HWY_INLINE void product_block(const float* HWY_RESTRICT a, std::int64_t lda,
                              const T* HWY_RESTRICT b, std::int64_t ldb, std::int64_t k,
                              float* HWY_RESTRICT c, std::int64_t ldc, bool accumulate) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<Floats> sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = accumulate ? hn::Load(d, c + r * ldc + v * lanes) : hn::Zero(d);
    }
  }
  for (std::int64_t i = 0; i < k; ++i) {
    hn::Vec<Floats> columns[kVectors];
    for (int v = 0; v < kVectors; ++v) columns[v] = load(d, b + i * ldb + v * lanes);
    for (int r = 0; r < kRows; ++r) {
      const auto factor = hn::Set(d, a[r * lda + i]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(factor, columns[v], sums[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) hn::Store(sums[r][v], d, c + r * ldc + v * lanes);
  }
}

template <int kRows, class T>
HWY_INLINE void product_rows(const float* a, std::int64_t lda, const T* b, std::int64_t ldb,
                             std::int64_t k, std::int64_t n, float* c, std::int64_t ldc,
                             bool accumulate) {
  constexpr int kVectors = HWY_MAX_BYTES >= 64 ? 4 : 2;  // accumulators must fit the registers
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  const std::int64_t vectors = n / lanes;
  std::int64_t v = 0;
  for (; v + kVectors <= vectors; v += kVectors) {
    product_block<kRows, kVectors>(a, lda, b + v * lanes, ldb, k, c + v * lanes, ldc, accumulate);
  }
  for (; v < vectors; ++v)
    product_block<kRows, 1>(a, lda, b + v * lanes, ldb, k, c + v * lanes, ldc, accumulate);
}

/// c[m, n] = (accumulate ? c : 0) + a[m, k] · b[k, n], n a multiple of kHeadAlign.
template <class T>
HWY_INLINE void product(std::int64_t m, const float* a, std::int64_t lda, const T* b,
                        std::int64_t ldb, std::int64_t k, std::int64_t n, float* c,
                        std::int64_t ldc, bool accumulate) {
  constexpr int kRows = 4;
  std::int64_t i = 0;
  for (; i + kRows <= m; i += kRows) {
    product_rows<kRows>(a + i * lda, lda, b, ldb, k, n, c + i * ldc, ldc, accumulate);
  }
  for (; i < m; ++i) product_rows<1>(a + i * lda, lda, b, ldb, k, n, c + i * ldc, ldc, accumulate);
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
