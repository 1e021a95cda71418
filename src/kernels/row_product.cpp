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

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

/// What some rows of src and some terms of their sums add to a panel of the result.
struct PanelSums {
  const float* src;
  std::int64_t src_stride;
  const float* weight;  ///< the first term's row of the panel
  std::int64_t width;   ///< floats from there to the next
  std::int64_t terms;
  float* dst;
  std::int64_t dst_stride;
};

/// Adds `vectors` vectors of columns from `column` on.
template <int rows, int vectors>
HWY_INLINE void add_block(const PanelSums& sums, std::int64_t column, std::int64_t columns) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V total[rows * vectors];
#pragma GCC unroll 16
  for (int i = 0; i < rows * vectors; ++i) total[i] = hn::Zero(d);
  const float* weight = sums.weight + column;
  for (std::int64_t term = 0; term < sums.terms; ++term, weight += sums.width) {
    V factors[rows];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) factors[r] = hn::Set(d, sums.src[r * sums.src_stride + term]);
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      const V weights = hn::LoadU(d, weight + v * lanes);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r)
        total[r * vectors + v] = hn::MulAdd(weights, factors[r], total[r * vectors + v]);
    }
  }
  float* dst = sums.dst + column;
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r, dst += sums.dst_stride) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      float* at = dst + v * lanes;
      const V sum = total[r * vectors + v];
      if ((v + 1) * lanes <= columns) {
        hn::StoreU(hn::Add(hn::LoadU(d, at), sum), d, at);
      } else {
        HWY_ALIGN float rest[16] = {};
        hn::Store(sum, d, rest);
        for (std::int64_t i = 0; i < std::min(columns - v * lanes, lanes); ++i) at[i] += rest[i];
      }
    }
  }
}

/// Adds `columns` columns.
template <int rows>
HWY_INLINE void add_panel(const PanelSums& sums, std::int64_t columns) {
  constexpr int kLanes = std::min(16, static_cast<int>(HWY_LANES(float)));
  constexpr int kLeast = 16 / kLanes;  // a panel is wide in multiples of 16
  constexpr int kSums = HWY_CAP_GE512 ? 16 : 8;
  constexpr int kWanted = std::min(kSums / rows, static_cast<int>(kPanel) / kLanes);
  constexpr int kVectors = std::max(kWanted, kLeast);
  std::int64_t column = 0;
  for (; column + kVectors * kLanes <= sums.width; column += kVectors * kLanes)
    add_block<rows, kVectors>(sums, column, columns - column);
  for (; column < sums.width; column += kLeast * kLanes)
    add_block<rows, kLeast>(sums, column, columns - column);
}

void add_terms(const RowProduct& product, std::int64_t begin, std::int64_t end, std::int64_t first,
               std::int64_t last) {
  constexpr std::int64_t kRows = 4;
  const Panels& weight = product.weight;
  for (std::int64_t panel = begin; panel < end; ++panel) {
    const std::int64_t columns = std::min(kPanel, weight.n - panel * kPanel);
    const std::int64_t width = (columns + 15) / 16 * 16;
    for (std::int64_t row = 0; row < product.m; row += kRows) {
      const PanelSums sums{product.src + row * product.src_stride + first,
                           product.src_stride,
                           weight.data + panel * kPanel * weight.k + first * width,
                           width,
                           last - first,
                           product.dst + row * product.dst_stride + panel * kPanel,
                           product.dst_stride};
      switch (std::min(kRows, product.m - row)) {
        case 1:
          add_panel<1>(sums, columns);
          break;
        case 2:
          add_panel<2>(sums, columns);
          break;
        case 3:
          add_panel<3>(sums, columns);
          break;
        default:
          add_panel<4>(sums, columns);
      }
    }
  }
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {

HWY_EXPORT(add_terms);

void add_row_product(const RowProduct& product, std::int64_t begin, std::int64_t end,
                     std::int64_t first, std::int64_t last) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(add_terms)(product, begin, end, first, last);
}

void add_row_product(const RowProduct& product, std::int64_t begin, std::int64_t end) {
  add_row_product(product, begin, end, 0, product.weight.k);
}

namespace {

/// Calls `body(row, column, columns, at)` for each row of each panel, which lies `at` floats in.
template <class Body>
void for_panel_rows(const Panels& panels, const Body& body) {
  std::int64_t at = 0;
  for (std::int64_t column = 0; column < panels.n; column += kPanel) {
    const std::int64_t columns = std::min(kPanel, panels.n - column);
    for (std::int64_t row = 0; row < panels.k; ++row, at += (columns + 15) / 16 * 16)
      body(row, column, columns, at);
  }
}

}  // namespace

void pack_panels(const Panels& panels, const float* matrix, std::int64_t row_stride,
                 std::int64_t column_stride, float* data) {
  for_panel_rows(panels,
                 [&](std::int64_t row, std::int64_t column, std::int64_t columns, std::int64_t at) {
                   const float* from = matrix + row * row_stride + column * column_stride;
                   for (std::int64_t i = 0; i < columns; ++i)
                     data[at + i] = from[i * column_stride];
                   std::fill(data + at + columns, data + at + (columns + 15) / 16 * 16, 0.f);
                 });
}

void unpack_panels(const Panels& panels, float* matrix) {
  for_panel_rows(panels,
                 [&](std::int64_t row, std::int64_t column, std::int64_t columns, std::int64_t at) {
                   std::copy_n(panels.data + at, columns, matrix + row * panels.n + column);
                 });
}

}  // namespace quern::kernels

#endif  // HWY_ONCE
