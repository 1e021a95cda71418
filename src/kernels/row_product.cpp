#include "kernels/row_product.h"

#include <algorithm>

#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/row_product.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for each target

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Adds the products of `rows` of src with `terms` neighbouring rows of the weight, whose columns
/// from `begin` to `end` must be whole vectors.
template <int rows, int terms, class D>
HWY_INLINE void add_terms(D d, const RowProduct& product, std::int64_t row, std::int64_t term,
                          std::int64_t begin, std::int64_t end) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const float* weight = product.weight + term * product.weight_stride;
  float* dst = product.dst + row * product.dst_stride;
  V factors[rows * terms];
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
    for (int t = 0; t < terms; ++t)
      factors[r * terms + t] = hn::Set(d, product.src[(row + r) * product.src_stride + term + t]);
  }
  for (std::int64_t column = begin; column < end; column += lanes) {
    V sums[rows];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) sums[r] = hn::LoadU(d, dst + r * product.dst_stride + column);
#pragma GCC unroll 8
    for (int t = 0; t < terms; ++t) {
      const V weights = hn::LoadU(d, weight + t * product.weight_stride + column);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) sums[r] = hn::MulAdd(weights, factors[r * terms + t], sums[r]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) hn::StoreU(sums[r], d, dst + r * product.dst_stride + column);
  }
}

template <int rows, int terms>
HWY_INLINE void add_columns(const RowProduct& product, std::int64_t row, std::int64_t term,
                            std::int64_t begin, std::int64_t end) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = begin + (end - begin) / lanes * lanes;
  add_terms<rows, terms>(d, product, row, term, begin, whole);
  add_terms<rows, terms>(d1, product, row, term, whole, end);
}

template <int rows, int terms>
HWY_INLINE void add_rows(const RowProduct& product, std::int64_t row, std::int64_t first,
                         std::int64_t last, std::int64_t begin, std::int64_t end) {
  std::int64_t term = first;
  for (; term + terms <= last; term += terms)
    add_columns<rows, terms>(product, row, term, begin, end);
  for (; term < last; ++term) add_columns<rows, 1>(product, row, term, begin, end);
}

void add_range(const RowProduct& product, std::int64_t begin, std::int64_t end) {
  constexpr int kRows = HWY_CAP_GE512 ? 4 : 2;  // as many factors as there are registers for
  constexpr int kTerms = 4;
  constexpr int kTermsOfOne = 8;
  // Of one row the sums stay in the first cache; of several, the weights in the second.
  const std::int64_t columns = product.m == 1 ? 4096 : 512;
  const std::int64_t depth = product.m == 1 ? product.k : 128;
  for (std::int64_t at = begin; at < end; at += columns) {
    const std::int64_t stop = std::min(at + columns, end);
    for (std::int64_t first = 0; first < product.k; first += depth) {
      const std::int64_t last = std::min(first + depth, product.k);
      std::int64_t row = 0;
      for (; row + kRows <= product.m; row += kRows)
        add_rows<kRows, kTerms>(product, row, first, last, at, stop);
      for (; row < product.m; ++row) add_rows<1, kTermsOfOne>(product, row, first, last, at, stop);
    }
  }
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {

HWY_EXPORT(add_range);

void add_row_product(const RowProduct& product, std::int64_t begin, std::int64_t end) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(add_range)(product, begin, end);
}

}  // namespace quern::kernels

#endif  // HWY_ONCE
