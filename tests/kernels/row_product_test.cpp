#include "kernels/row_product.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/each_target.h"

namespace quern::kernels {
namespace {

std::vector<float> row_waves(std::int64_t count, float pace) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(std::sin(pace * static_cast<float>(i)));
  return values;
}

TEST_CASE("a product of rows is added to what is there, in the panels and terms asked for") {
  constexpr std::int64_t kApart = 5;
  for (const std::int64_t m : {1, 2, 3, 4, 7, 13}) {
    for (const std::int64_t k : {1, 7, 129, 300}) {
      for (const std::int64_t n : {1, 17, 127, 600, 4200}) {
        CAPTURE(m);
        CAPTURE(k);
        CAPTURE(n);
        const auto src = row_waves(m * (k + kApart), 0.7f);
        const auto weight = row_waves(k * n, 1.3f);
        const auto before = row_waves(m * (n + kApart), 2.1f);
        Panels panels{nullptr, k, n};
        std::vector<float> packed(static_cast<std::size_t>(panels.size()), NAN);
        pack_panels(panels, weight.data(), n, 1, packed.data());
        panels.data = packed.data();
        const std::int64_t begin = panels.count() / 3;
        const std::int64_t first = k / 4, last = k - k / 5;
        on_each_target([&] {
          std::vector<float> dst = before;
          add_row_product({.src = src.data(),
                           .weight = panels,
                           .dst = dst.data(),
                           .m = m,
                           .src_stride = k + kApart,
                           .dst_stride = n + kApart},
                          begin, panels.count(), first, last);
          double worst = 0;
          for (std::int64_t row = 0; row < m; ++row) {
            for (std::int64_t column = 0; column<n + kApart; column += n> 1000 ? 13 : 1) {
              const auto at = static_cast<std::size_t>(row * (n + kApart) + column);
              double want = before[at];
              for (std::int64_t i = first; i < last && column >= begin * kPanel && column < n; ++i)
                want += double{src[static_cast<std::size_t>(row * (k + kApart) + i)]} *
                        double{weight[static_cast<std::size_t>(i * n + column)]};
              worst = std::max(worst, std::abs(dst[at] - want));
            }
          }
          CHECK(worst < 2e-6 * std::sqrt(static_cast<double>(k)) + 1e-7);
        });
      }
    }
  }
}

TEST_CASE("panels of a matrix give it back, however it lay") {
  for (const std::int64_t n : {1, 16, 17, 64, 65, 200}) {
    constexpr std::int64_t kTerms = 13;
    const auto rows = row_waves(kTerms * n, 1.3f);
    std::vector<float> columns(rows.size());
    for (std::int64_t i = 0; i < kTerms * n; ++i)
      columns[static_cast<std::size_t>(i % n * kTerms + i / n)] = rows[static_cast<std::size_t>(i)];
    Panels panels{nullptr, kTerms, n};
    for (const bool by_rows : {true, false}) {
      std::vector<float> packed(static_cast<std::size_t>(panels.size()));
      by_rows ? pack_panels(panels, rows.data(), n, 1, packed.data())
              : pack_panels(panels, columns.data(), 1, kTerms, packed.data());
      panels.data = packed.data();
      std::vector<float> back(rows.size());
      unpack_panels(panels, back.data());
      CHECK(back == rows);
    }
  }
}

}  // namespace
}  // namespace quern::kernels
