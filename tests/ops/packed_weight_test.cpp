#include "ops/packed_weight.h"

#include <cmath>
#include <memory>

#include "kernels/random_weight.h"
#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

constexpr std::int64_t kMostRows = 129;

Weight random_weight(Encoding encoding, DType dtype, std::int64_t n, std::int64_t k) {
  if (dtype == DType::i8) return golden::int_values<std::int8_t>(3, {n, k}, "full");
  if (encoding == Encoding::dense) return hashed_tensor(3, {n, k}, dtype);
  const auto memory = std::make_shared<RandomWeight>(encoding, dtype, n, k, 7);
  const auto bytes = static_cast<std::size_t>(n * kernels::row_bytes(memory->rows()));
  return {encoding, {n, k}, {memory->rows().data, bytes}, memory};
}

/// A product with `weight` in f64, with what its errors are measured by.
struct Truth {
  Tensor x;         ///< f32 [rows, k] in [-1, 1)
  Tensor bias;      ///< f32 [n]
  Tensor residual;  ///< f32 [rows, n]
  Tensor product;   ///< f64 [rows, n]
  Tensor norms;     ///< f64 [n], of the weight's rows

  explicit Truth(const Weight& weight) {
    const std::int64_t n = weight.shape()[0];
    x = hashed_tensor(1, {kMostRows, weight.shape()[1]});
    bias = hashed_tensor(4, {n});
    residual = hashed_tensor(5, {kMostRows, n});
    const Tensor values = weight.tensor(DType::f64);
    product = ops::matmul(x.cast(DType::f64), values.transpose(0, 1));
    const int last[] = {-1};
    norms = ops::sqrt(ops::sum(ops::square(values), last));
  }
};

/// Errors relative to the norms of the weight's rows: the root of the mean square, and the largest.
struct Errors {
  double mean = 0;
  double largest = 0;
};

Errors errors_of(const Tensor& result, const Tensor& expected, const Tensor& norms) {
  const Tensor relative = ops::div(ops::sub(result.cast(DType::f64), expected), norms);
  return {std::sqrt(ops::mean(ops::square(relative)).item<double>()),
          ops::max(ops::abs(relative)).item<double>()};
}

/// Multiplies few rows and many, with and without bias and residual.
void check_products(const Weight& weight, Accuracy accuracy, double allowed_mean,
                    double allowed_largest) {
  const ops::PackedWeight packed(weight, accuracy);
  const Truth truth(weight);
  for (const std::int64_t rows : {1, 2, 8, 9, 16, 32, 33, 129}) {
    const auto first_rows = [&](const Tensor& all) { return all.slice(0, 0, rows).contiguous(); };
    CAPTURE(rows);
    const Tensor x = first_rows(truth.x);
    const Tensor product = first_rows(truth.product);
    const Errors plain = errors_of(ops::linear(x, packed), product, truth.norms);
    CHECK(plain.mean <= allowed_mean);
    CHECK(plain.largest <= allowed_largest);

    const Tensor residual = first_rows(truth.residual);
    const Tensor result =
        ops::linear(x, packed, {.bias = truth.bias, .residual = residual}).cast(DType::f64);
    const Tensor added =
        ops::add(ops::add(product, truth.bias.cast(DType::f64)), residual.cast(DType::f64));
    const Errors both = errors_of(result, added, truth.norms);
    CHECK(both.mean <= allowed_mean);
    CHECK(both.largest <= allowed_largest);
  }
}

void check_exact(const Weight& weight) {
  const double allowed = tolerance(DType::f32, weight.shape()[1]);
  check_products(weight, Accuracy::exact, allowed, 4 * allowed);
}

// Inputs in [-1, 1) in 8 bits are off by 2^-8 at most, and so are both factors in bf16.
void check_fast(const Weight& weight) {
  check_products(weight, Accuracy::fast, 0x1p-8, 6 * 0x1p-8);
}

template <class Check>
void for_each_encoding(std::int64_t n, std::int64_t k, const Check& check) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::f64, DType::i8}) {
    CAPTURE(to_string(dtype));
    check(random_weight(Encoding::dense, dtype, n, k));
  }
  for (int i = 1; i <= static_cast<int>(Encoding::q8_f32); ++i) {
    const auto encoding = static_cast<Encoding>(i);
    CAPTURE(to_string(encoding));
    check(random_weight(encoding, DType::f32, n, k));
  }
}

}  // namespace

TEST_CASE("exact products with weights of every encoding agree with f64") {
  for_each_encoding(67, 512, check_exact);
  for_each_encoding(1, 256, check_exact);
}

TEST_CASE("fast products with weights of every encoding are off by what 8 bits are off") {
  for_each_encoding(67, 512, check_fast);
  for_each_encoding(1, 256, check_fast);
}

TEST_CASE("products with dense weights of odd sizes agree with f64") {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const std::int64_t k : {1, 7, 127, 129}) {
      CAPTURE(to_string(dtype));
      CAPTURE(k);
      check_exact(random_weight(Encoding::dense, dtype, 13, k));
      check_fast(random_weight(Encoding::dense, dtype, 13, k));
    }
  }
}

TEST_CASE("a weight decoded in several panels takes its bias and residual by panel") {
  for (const Encoding encoding : {Encoding::q8_0, Encoding::q4_k}) {
    CAPTURE(to_string(encoding));
    check_exact(random_weight(encoding, DType::f32, 203, 4096));
    check_fast(random_weight(encoding, DType::f32, 203, 4096));
  }
  check_fast(random_weight(Encoding::dense, DType::f16, 203, 4097));
}

TEST_CASE("linear keeps leading axes and the dtype of x, whatever its layout") {
  const Weight weight = hashed_tensor(3, {5, 13});
  const ops::PackedWeight packed(weight);
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
    for (const Layout layout : kLayouts) {
      CAPTURE(to_string(dtype));
      CAPTURE(name_of(layout));
      const Tensor x = laid_out(hashed_tensor(1, {2, 3, 13}, dtype), layout);
      const Tensor expected =
          ops::matmul(x.cast(DType::f64), weight.tensor(DType::f64).transpose(0, 1));
      const Tensor result = ops::linear(x, packed);
      CHECK(result.dtype() == dtype);
      const DType computed_in = dtype == DType::f64 ? DType::f32 : dtype;
      const std::string wrong =
          difference(result.cast(computed_in), expected.cast(computed_in), 13);
      CHECK_MESSAGE(wrong.empty(), wrong);
    }
  }
  CHECK(ops::linear(Tensor::zeros({0, 13}), packed).shape() == Shape{0, 5});
  CHECK(ops::linear(hashed_tensor(1, {13}), packed).shape() == Shape{5});
}

TEST_CASE("linear refuses what does not fit") {
  const ops::PackedWeight packed(Weight(hashed_tensor(3, {5, 13})));
  const Tensor x = Tensor::zeros({3, 13});
  const auto code = [&](const Tensor& input, const ops::LinearOptions& options) {
    return code_of([&] { ops::linear(input, packed, options); });
  };
  CHECK(code(Tensor::zeros({3, 12}), {}) == ErrorCode::invalid_argument);
  CHECK(code(Tensor::zeros({}), {}) == ErrorCode::invalid_argument);
  CHECK(code(x.cast(DType::i32), {}) == ErrorCode::unsupported);
  CHECK(code(x, {.bias = Tensor::zeros({4}), .residual = {}}) == ErrorCode::invalid_argument);
  CHECK(code(x, {.bias = Tensor::zeros({5}, DType::f64), .residual = {}}) ==
        ErrorCode::invalid_argument);
  CHECK(code(x, {.bias = {}, .residual = Tensor::zeros({3, 4})}) == ErrorCode::invalid_argument);
  CHECK(code(x, {.bias = {}, .residual = Tensor::zeros({5, 3}).transpose(0, 1)}) ==
        ErrorCode::invalid_argument);
  CHECK(code_of([] { ops::PackedWeight(Weight(Tensor::zeros({3}))); }) ==
        ErrorCode::invalid_argument);
}
