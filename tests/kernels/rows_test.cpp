#include "kernels/rows.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/each_target.h"

namespace quern::kernels {
namespace {

TEST_CASE("groups of rows are summed, the last with what is left") {
  for (const std::int64_t size : {1, 7, 16, 63, 64, 65, 200}) {
    for (const std::int64_t rows : {1, 2, 63, 64, 65, 200}) {
      CAPTURE(size);
      CAPTURE(rows);
      constexpr std::int64_t kGroup = 64;
      const auto groups = static_cast<std::size_t>((rows + kGroup - 1) / kGroup);
      std::vector<float> src(static_cast<std::size_t>(rows * size));
      for (std::size_t i = 0; i < src.size(); ++i) src[i] = std::sin(static_cast<float>(i)) + 0.25f;
      std::vector<double> want(groups * static_cast<std::size_t>(size));
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t i = 0; i < size; ++i)
          want[static_cast<std::size_t>(row / kGroup * size + i)] +=
              0.5 * src[static_cast<std::size_t>(row * size + i)];
      }
      on_each_target([&] {
        std::vector<float> got(want.size(), -1.f);
        sum_rows(src.data(), rows, size, kGroup, 0.5f, got.data());
        for (std::size_t i = 0; i < got.size(); ++i)
          CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-5));
      });
    }
  }
}

TEST_CASE("a normalised row has the mean and the variance that its scale and shift give") {
  for (const std::int64_t size : {1, 7, 16, 63, 64, 65, 768}) {
    CAPTURE(size);
    constexpr std::int64_t kRows = 3;
    constexpr float kEpsilon = 1e-5f;
    std::vector<float> src, scale, shift;
    for (std::int64_t i = 0; i < kRows * size; ++i)
      src.push_back(5.f + std::sin(static_cast<float>(i * i)));
    for (std::int64_t i = 0; i < size; ++i) {
      scale.push_back(1.f + 0.01f * static_cast<float>(i));
      shift.push_back(0.5f - 0.02f * static_cast<float>(i));
    }
    std::vector<double> plain;
    for (std::int64_t row = 0; row < kRows; ++row) {
      const float* x = src.data() + row * size;
      double mean = 0;
      double variance = 0;
      for (std::int64_t i = 0; i < size; ++i) mean += x[i] / static_cast<double>(size);
      for (std::int64_t i = 0; i < size; ++i)
        variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(size);
      for (std::int64_t i = 0; i < size; ++i)
        plain.push_back((x[i] - mean) / std::sqrt(variance + kEpsilon));
    }
    on_each_target([&] {
      std::vector<float> got(src.size());
      layer_norm(src.data(), kRows, size, nullptr, nullptr, kEpsilon, got.data());
      for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - plain[i]) < 1e-5);
      got = src;
      layer_norm(got.data(), kRows, size, scale.data(), shift.data(), kEpsilon, got.data());
      for (std::size_t i = 0; i < got.size(); ++i) {
        const std::size_t at = i % static_cast<std::size_t>(size);
        CHECK(std::abs(got[i] - (plain[i] * scale[at] + shift[at])) < 1e-4);
      }
    });
  }
}

TEST_CASE("a sum of rows has the NaN and the infinity of its column, and of no other") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> src(70 * 20, 1.f);
  src[20 * 3 + 5] = std::numeric_limits<float>::quiet_NaN();
  src[20 * 69 + 6] = kInfinity;
  on_each_target([&] {
    std::vector<float> got(20);
    sum_rows(src.data(), 70, 20, 70, 1.f, got.data());
    CHECK(std::isnan(got[5]));
    CHECK(got[6] == kInfinity);
    CHECK(std::ranges::count(got, 70.f) == 18);
  });
}

}  // namespace
}  // namespace quern::kernels
