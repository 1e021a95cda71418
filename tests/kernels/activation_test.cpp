#include "kernels/activation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/each_target.h"

namespace quern::kernels {
namespace {

double plain(ActivationFunction::Kind function, double x) {
  constexpr double kSlope = 1.5957691216057308;  // sqrt(8 / pi)
  switch (function) {
    case ActivationFunction::Kind::gelu_erf:
      return x / 2 * std::erfc(-x / std::numbers::sqrt2);
    case ActivationFunction::Kind::gelu_tanh:
      return x / (1 + std::exp(-kSlope * (x + 0.044715 * x * x * x)));
    case ActivationFunction::Kind::mish:
      return x * std::tanh(std::log1p(std::exp(x)));
    case ActivationFunction::Kind::sigmoid:
      return 1 / (1 + std::exp(-x));
    case ActivationFunction::Kind::silu:
      return x / (1 + std::exp(-x));
    case ActivationFunction::Kind::tanh:
      return std::tanh(x);
    default:
      return 0;
  }
}

constexpr ActivationFunction::Kind kActivations[] = {
    ActivationFunction::Kind::gelu_erf, ActivationFunction::Kind::gelu_tanh,
    ActivationFunction::Kind::mish,     ActivationFunction::Kind::sigmoid,
    ActivationFunction::Kind::silu,     ActivationFunction::Kind::tanh};

TEST_CASE("activations are those of f64, at every size") {
  for (const ActivationFunction::Kind function : kActivations) {
    CAPTURE(static_cast<int>(function));
    for (const std::int64_t size : {1, 15, 16, 17, 1000, 40001}) {
      CAPTURE(size);
      std::vector<float> src, addend;
      for (std::int64_t i = 0; i < size; ++i) {
        const auto at = static_cast<float>(i);
        src.push_back(i < 3 ? at - 1.f : 12.f * std::sin(at) * std::cos(3.f * at));
        addend.push_back(std::cos(at));
      }
      on_each_target([&] {
        std::vector<float> got(src.size() + 1, -9.f);
        activate(function, src.data(), nullptr, size, got.data());
        std::vector<float> sums = addend;
        activate(function, src.data(), sums.data(), size, sums.data());
        double worst = 0;
        double worst_sum = 0;
        for (std::size_t i = 0; i < src.size(); ++i) {
          const double want = plain(function, src[i]);
          worst = std::max(worst, std::abs(got[i] - want) / (std::abs(want) + 0.1));
          worst_sum = std::max(worst_sum, std::abs(double{sums[i]} - double{got[i] + addend[i]}));
        }
        CHECK(worst < 1e-6);
        CHECK(worst_sum < 2e-6);  // a product and the sum may be one instruction
        CHECK(got.back() == -9.f);
      });
    }
  }
}

TEST_CASE("activations of bf16 are those of f32, rounded") {
  for (const ActivationFunction::Kind function : kActivations) {
    CAPTURE(static_cast<int>(function));
    for (const std::int64_t size : {1, 17, 1023, 1025, 40001}) {
      CAPTURE(size);
      std::vector<BFloat16> src, addend;
      std::vector<float> wide, wide_addend;
      for (std::int64_t i = 0; i < size; ++i) {
        const auto at = static_cast<float>(i);
        src.push_back(BFloat16(9.f * std::sin(at)));
        addend.push_back(BFloat16(std::cos(at)));
        wide.push_back(src.back());
        wide_addend.push_back(addend.back());
      }
      on_each_target([&] {
        std::vector<float> want(wide.size());
        activate(function, wide.data(), wide_addend.data(), size, want.data());
        std::vector<BFloat16> got = src;
        activate(function, got.data(), addend.data(), size, got.data());
        for (std::size_t i = 0; i < want.size(); ++i)
          REQUIRE(static_cast<float>(got[i]) == static_cast<float>(BFloat16(want[i])));
      });
    }
  }
}

TEST_CASE("activations of what is far from 0, and of none") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> src{-1e30f, -200.f, -88.f, 88.f, 200.f, 1e30f, kInfinity, kNaN};
  for (const ActivationFunction::Kind function : kActivations) {
    CAPTURE(static_cast<int>(function));
    const bool is_bounded =
        function == ActivationFunction::Kind::sigmoid || function == ActivationFunction::Kind::tanh;
    const float least = function == ActivationFunction::Kind::tanh ? -1.f : 0.f;
    on_each_target([&] {
      std::vector<float> got = src;
      activate(function, got.data(), nullptr, static_cast<std::int64_t>(got.size()), got.data());
      for (std::size_t i = 0; i < 3; ++i) CHECK(std::abs(got[i] - least) < 1e-30f);
      for (std::size_t i = 3; i < 7; ++i) CHECK(got[i] == (is_bounded ? 1.f : src[i]));
      CHECK(std::isnan(got[7]));
    });
  }
}

}  // namespace
}  // namespace quern::kernels
