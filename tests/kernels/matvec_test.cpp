#include "kernels/matvec.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "each_target.h"
#include "random_weight.h"
#include "support/error_code.h"

using namespace quern;
using kernels::ActivationRows;
using kernels::multiply_rows;

namespace {

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

constexpr Encoding kBlockEncodings[] = {
    Encoding::q4_0,    Encoding::q4_1,   Encoding::q5_0,    Encoding::q5_1,   Encoding::q8_0,
    Encoding::mxfp4,   Encoding::iq4_nl, Encoding::q2_k,    Encoding::q3_k,   Encoding::q4_k,
    Encoding::q5_k,    Encoding::q6_k,   Encoding::q8_k,    Encoding::iq4_xs, Encoding::tq1_0,
    Encoding::tq2_0,   Encoding::q8_1,   Encoding::nvfp4,   Encoding::q1_0,   Encoding::q2_0,
    Encoding::iq1_s,   Encoding::iq1_m,  Encoding::iq2_xxs, Encoding::iq2_xs, Encoding::iq2_s,
    Encoding::iq3_xxs, Encoding::iq3_s,  Encoding::q4_f32,  Encoding::q8_f32};

/// Those without a kernel on bytes are decoded, and their products are of activations in f32.
bool is_decoded(Encoding encoding) {
  return encoding == Encoding::q8_k || (encoding >= Encoding::q8_1 && encoding <= Encoding::iq3_s);
}

struct Size {
  std::int64_t n, k;
};
constexpr Size kSizes[] = {{1, 32}, {3, 96}, {7, 256}, {129, 288}, {5, 2304}};
constexpr std::int64_t kColumns[] = {1, 2, 3, 5, 8, 9, 10, 13, 17};
constexpr std::int64_t kMostFew = 8;  // so many run in another kernel than more, where there is one
constexpr std::int64_t kMost = 17;

/// Activations with an outlier and a group of zeros, at a stride of k + 3.
std::vector<float> random_rows(std::int64_t m, std::int64_t k) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.2f, 1.f);
  std::vector<float> rows(static_cast<std::size_t>(m * (k + 3)));
  for (float& value : rows) value = normal(random);
  for (std::int64_t i = 0; i < m; ++i) {
    rows[static_cast<std::size_t>(i * (k + 3) + k / 2)] = 40.f;
    if (k > 64) std::fill_n(rows.begin() + i * (k + 3) + 32, 32, 0.f);
  }
  return rows;
}

/// Rounds each 32 values of a row to a scale times 8-bit integers.
void round_groups(std::vector<float>& rows, std::int64_t m, std::int64_t k) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < k; j += 32) {
      float* group = rows.data() + i * (k + 3) + j;
      float largest = 0.f;
      for (int v = 0; v < 32; ++v) largest = std::max(largest, std::fabs(group[v]));
      const float scale = largest / 127.f;
      const float inverse = scale > 0.f ? 1.f / scale : 0.f;
      for (int v = 0; v < 32; ++v) group[v] = std::nearbyintf(group[v] * inverse) * scale;
    }
  }
}

struct Sums {
  std::vector<double> products, magnitudes;
};

/// [m, n] of the products and of their terms' magnitudes, in f64.
Sums reference(const std::vector<float>& weight, const std::vector<float>& rows, std::int64_t n,
               std::int64_t k, std::int64_t m) {
  Sums sums;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t row = 0; row < n; ++row) {
      double product = 0, magnitude = 0;
      for (std::int64_t j = 0; j < k; ++j) {
        const double term = static_cast<double>(weight[static_cast<std::size_t>(row * k + j)]) *
                            rows[static_cast<std::size_t>(i * (k + 3) + j)];
        product += term;
        magnitude += std::fabs(term);
      }
      sums.products.push_back(product);
      sums.magnitudes.push_back(magnitude);
    }
  }
  return sums;
}

struct Case {
  RandomWeight weight;
  std::int64_t n, k;
  std::vector<float> rows;

  Case(Encoding encoding, DType dtype, Size size, std::int64_t m = kMost)
      : weight(encoding, dtype, size.n, size.k, 11),
        n(size.n),
        k(size.k),
        rows(random_rows(m, size.k)) {}

  std::vector<float> run(std::int64_t m, Accuracy accuracy, const float* src) const {
    const std::int64_t stride = n + 1;
    std::vector<float> dst(static_cast<std::size_t>(m * stride), -1.f);
    multiply_rows(weight.rows(), src, m, k + 3, dst.data(), stride, accuracy);
    std::vector<float> dense;
    for (std::int64_t i = 0; i < m; ++i) {
      const auto row = dst.begin() + i * stride;
      dense.insert(dense.end(), row, row + n);
      REQUIRE(row[n] == -1.f);
    }
    return dense;
  }
};

void check_products(const Case& test, Accuracy accuracy, const Sums& expected, double tolerance) {
  on_each_target([&] {
    const std::vector<float> most = test.run(kMost, accuracy, test.rows.data());
    double worst = 0;
    for (std::size_t i = 0; i < most.size(); ++i) {
      const double error = std::fabs(most[i] - expected.products[i]);
      worst = std::max(worst, error / (expected.magnitudes[i] + 1e-30));
    }
    CHECK(worst <= tolerance);
    for (const std::int64_t m : kColumns) {
      INFO("m " << m);
      const std::vector<float> few = test.run(m, accuracy, test.rows.data());
      CHECK(std::equal(few.begin(), few.end(), most.begin()));
    }
    const float* last = test.rows.data() + (kMost - 1) * (test.k + 3);
    const std::vector<float> alone = test.run(1, accuracy, last);
    CHECK(std::equal(alone.begin(), alone.end(), most.end() - test.n));
  });
}

Size whole_blocks(Encoding encoding, Size size) {
  const std::int64_t values = block_format(encoding).values;
  return {size.n, (size.k + values - 1) / values * values};
}

}  // namespace

TEST_CASE("exact products agree with f64, whatever the encoding, size, number of rows and target") {
  for (const Encoding encoding : kBlockEncodings) {
    for (const Size shape : kSizes) {
      const Size size = whole_blocks(encoding, shape);
      INFO(to_string(encoding) << " [" << size.n << ", " << size.k << "]");
      const Case test(encoding, DType::f32, size);
      const Sums sums = reference(test.weight.values(), test.rows, size.n, size.k, kMost);
      check_products(test, Accuracy::exact, sums, static_cast<double>(size.k) * kEpsilon);
    }
  }
}

TEST_CASE("dense products agree with f64 in both accuracies") {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const Size size : {Size{1, 1}, Size{3, 13}, Size{7, 129}, Size{129, 288}, Size{5, 2311}}) {
      INFO(to_string(dtype) << " [" << size.n << ", " << size.k << "]");
      const Case test(Encoding::dense, dtype, size);
      const Sums sums = reference(test.weight.values(), test.rows, size.n, size.k, kMost);
      const double tolerance = static_cast<double>(size.k + 1) * kEpsilon;
      check_products(test, Accuracy::exact, sums, tolerance);
      check_products(test, Accuracy::fast, sums, tolerance);
    }
  }
}

TEST_CASE("fast products are those of activations rounded to 8 bits a group of 32") {
  for (const Encoding encoding : kBlockEncodings) {
    for (const Size shape : kSizes) {
      const Size size = whole_blocks(encoding, shape);
      INFO(to_string(encoding) << " [" << size.n << ", " << size.k << "]");
      const Case test(encoding, DType::f32, size);
      const std::vector<float> weight = test.weight.values();
      std::vector<float> rounded = test.rows;
      if (!is_decoded(encoding)) round_groups(rounded, kMost, size.k);
      const Sums sums = reference(weight, rounded, size.n, size.k, kMost);
      on_each_target([&] {
        const bool portable = hwy::SupportedTargets() == HWY_SCALAR;
        const Sums& expected =
            portable ? reference(weight, test.rows, size.n, size.k, kMost) : sums;
        const std::vector<float> got = test.run(kMost, Accuracy::fast, test.rows.data());
        double worst = 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
          worst = std::max(
              worst, std::fabs(got[i] - expected.products[i]) / (expected.magnitudes[i] + 1e-30));
        }
        CHECK(worst <= 4e-6);
        // Those of one kernel are equal, those of another nearly so.
        const std::vector<float> few = test.run(kMostFew, Accuracy::fast, test.rows.data());
        for (const std::int64_t m : kColumns) {
          INFO("m " << m);
          const std::vector<float> some = test.run(m, Accuracy::fast, test.rows.data());
          CHECK(std::equal(some.begin(), some.end(), m <= kMostFew ? few.begin() : got.begin()));
        }
        for (std::size_t i = 0; i < few.size(); ++i)
          CHECK(std::fabs(few[i] - got[i]) <= 8e-6 * (expected.magnitudes[i] + 1e-30));
      });
    }
  }
}

TEST_CASE("many rows take several passes, each alike") {
  const std::int64_t m = 301;
  const Case test(Encoding::q4_k, DType::f32, {70, 512}, m);
  const std::vector<float> all = test.run(m, Accuracy::fast, test.rows.data());
  for (const std::int64_t first : {0, 120, 251}) {
    const std::int64_t count = 50;
    const std::vector<float> some =
        test.run(count, Accuracy::fast, test.rows.data() + first * (test.k + 3));
    CHECK(std::equal(some.begin(), some.end(), all.begin() + first * test.n));
  }
}

TEST_CASE("weights share rounded activations") {
  const Case a(Encoding::q4_k, DType::f32, {9, 512});
  const Case b(Encoding::q6_k, DType::f32, {4, 512});
  const ActivationRows rows(a.rows.data(), 3, 512, 515, Accuracy::fast);
  for (const Case* test : {&a, &b}) {
    std::vector<float> shared(static_cast<std::size_t>(3 * test->n));
    multiply_rows(test->weight.rows(), rows, shared.data(), test->n);
    CHECK(shared == test->run(3, Accuracy::fast, a.rows.data()));
  }
}

TEST_CASE("a value that is not finite makes its row's fast products NaN, and no other's") {
  Case test(Encoding::q8_0, DType::f32, {4, 64});
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    test.rows[67 + 40] = value;
    on_each_target([&] {
      const std::vector<float> got = test.run(3, Accuracy::fast, test.rows.data());
      for (int i = 0; i < 4; ++i) {
        CHECK(std::isfinite(got[static_cast<std::size_t>(i)]));
        CHECK(!std::isfinite(got[static_cast<std::size_t>(4 + i)]));
        CHECK(std::isfinite(got[static_cast<std::size_t>(8 + i)]));
      }
    });
  }
}

TEST_CASE("tiny and huge activations neither overflow nor divide by zero") {
  Case test(Encoding::q4_0, DType::f32, {3, 32});
  for (const float value : {1e-42f, 1e-38f, 1e30f}) {
    std::fill_n(test.rows.begin(), 32, value);
    const std::vector<float> exact = test.run(1, Accuracy::exact, test.rows.data());
    on_each_target([&] {
      const std::vector<float> got = test.run(1, Accuracy::fast, test.rows.data());
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(got[i] == doctest::Approx(exact[i]).epsilon(1e-4).scale(1e-30));
      }
    });
  }
}

TEST_CASE("what does not fit is refused") {
  const Case test(Encoding::q4_0, DType::f32, {3, 32});
  std::vector<float> dst(3);
  const ActivationRows rows(test.rows.data(), 1, 64, 64, Accuracy::exact);
  CHECK(code_of([&] { multiply_rows(test.weight.rows(), rows, dst.data(), 3); }) ==
        ErrorCode::invalid_argument);
  CHECK(code_of([] {
          kernels::row_bytes({Encoding::dense, DType::i32, nullptr, 1, 1});
        }) == ErrorCode::invalid_argument);
  CHECK(code_of([] {
          kernels::row_bytes({Encoding::q4_k, DType::f32, nullptr, 1, 32});
        }) == ErrorCode::invalid_argument);
}
