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

TEST_CASE("a product of rows is added to what is there, in the columns asked for") {
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
        const std::int64_t begin = n / 3;
        on_each_target([&] {
          std::vector<float> dst = before;
          add_row_product({.src = src.data(),
                           .weight = weight.data(),
                           .dst = dst.data(),
                           .m = m,
                           .k = k,
                           .src_stride = k + kApart,
                           .weight_stride = n,
                           .dst_stride = n + kApart},
                          begin, n);
          double worst = 0;
          for (std::int64_t row = 0; row < m; ++row) {
            for (std::int64_t column = 0; column<n + kApart; column += n> 1000 ? 13 : 1) {
              const auto at = static_cast<std::size_t>(row * (n + kApart) + column);
              double want = before[at];
              for (std::int64_t i = 0; i < k && column >= begin && column < n; ++i)
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

}  // namespace
}  // namespace quern::kernels
