#include "ops/matmul.h"

#include <algorithm>
#include <vector>

#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

Shape with_matrix(Shape batch, std::int64_t rows, std::int64_t columns) {
  batch.push_back(rows);
  batch.push_back(columns);
  return batch;
}

// The implementations take matrices whose leading axes have been broadcast.
void run_implementations(const Tensor& a, const Tensor& b, std::vector<Computed>& results) {
  const Tensor product = results[0].result;
  if (a.rank() < 2 || b.rank() < 2 || a.dim(-1) == 0) return;
  const Shape& shape = product.shape();
  const Shape batch(std::span(shape.begin(), static_cast<std::size_t>(shape.rank() - 2)));
  run_each(
      ops::matmul_implementations(),
      [&] {
        return ops::MatMulArgs{a.expand(with_matrix(batch, a.dim(-2), a.dim(-1))),
                               b.expand(with_matrix(batch, b.dim(-2), b.dim(-1))),
                               Tensor::empty(shape, product.dtype())};
      },
      results);
}

}  // namespace

TEST_CASE("matmul agrees with PyTorch in every dtype and layout") {
  check_goldens({{"matmul",
                  {.run =
                       [](const GoldenCase& given) {
                         const Tensor& a = given.inputs[0];
                         const Tensor& b = given.inputs[1];
                         std::vector<Computed> results{{"quern::ops", ops::matmul(a, b)}};
                         run_implementations(a, b, results);
                         return results;
                       },
                   .terms = [](const GoldenCase& given) { return given.inputs[0].dim(-1); }}}});
}

TEST_CASE("matmul refuses shapes that do not fit and dtypes it does not take") {
  const Tensor a = Tensor::zeros({2, 3});
  CHECK(code_of([&] { ops::matmul(a, a); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::matmul(a, Tensor::zeros({})); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::matmul(a, Tensor::zeros({4})); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] {
          ops::matmul(a, Tensor::zeros({3, 2}, DType::f64));
        }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] {
          ops::matmul(Tensor::zeros({2, 2, 3}), Tensor::zeros({3, 3, 4}));
        }) == ErrorCode::invalid_argument);
  const Tensor words = Tensor::zeros({3, 3}, DType::u16);
  CHECK(code_of([&] { ops::matmul(words, words); }) == ErrorCode::unsupported);
}

TEST_CASE("outer products of rows that lie apart are those of the rows") {
  // Rows of every second place of [batch, 2, heads, dim].
  std::vector<float> values(2 * 2 * 4 * 8);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) - 3;
  const Tensor rows = Tensor::from(values, {2, 2, 4, 8}).slice(1, 1, 2).reshape({2, 4, 8});
  const Tensor apart = Tensor::from(values, {2, 2, 4, 8}).slice(1, 1, 2).squeeze(1);
  REQUIRE_FALSE(apart.is_contiguous());
  const Tensor got = ops::matmul(apart.unsqueeze(-1), apart.unsqueeze(-2));
  const Tensor want = ops::mul(rows.reshape({2, 4, 8, 1}), rows.reshape({2, 4, 1, 8}));
  CHECK(std::ranges::equal(got.data<float>(), want.data<float>()));
}
