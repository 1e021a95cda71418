#include <algorithm>
#include <cmath>

#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

std::vector<Computed> run_attention(const GoldenCase& given) {
  const ops::AttentionOptions options{
      .causal = given.number("causal", 0) != 0,
      .window = static_cast<std::int64_t>(given.number("window", 0)),
      .scale = static_cast<float>(given.number("scale", 0))};
  return {
      {"quern::ops", ops::attention(given.inputs[0], given.inputs[1], given.inputs[2], options)}};
}

std::vector<Computed> run_rotary(const GoldenCase& given) {
  const auto pairs = given.text("pairs") == "interleaved" ? ops::RotaryPairs::interleaved
                                                          : ops::RotaryPairs::halves;
  return {{"quern::ops",
           ops::rotary_embedding(given.inputs[0], given.inputs[1], given.inputs[2], pairs)}};
}

/// Scores are sums over the head's size, results sums over the keys.
std::int64_t attention_terms(const GoldenCase& given) {
  const std::int64_t dim = given.inputs[0].dim(3);
  const auto rows = [&](const Tensor& x) {
    return x.cast(DType::f64).contiguous().reshape({x.numel() / dim, dim});
  };
  const Tensor scores = ops::matmul(rows(given.inputs[0]), rows(given.inputs[1]).transpose(0, 1));
  double largest = 0;
  for (const double score : scores.data<double>()) largest = std::max(largest, std::abs(score));
  const double scale = given.number("scale", 0);
  const double size = largest * (scale != 0 ? scale : 1 / std::sqrt(static_cast<double>(dim)));
  return given.inputs[1].dim(2) + exponential_terms(dim, size);
}

}  // namespace

TEST_CASE("attention agrees with PyTorch on every target") {
  check_goldens({{"attention", {.run = run_attention, .terms = attention_terms}}});
}

TEST_CASE("rotary_embedding agrees with a complex product in PyTorch") {
  check_goldens({{"rotary_embedding", {.run = run_rotary}}});
}

TEST_CASE("attention refuses sizes that do not fit, a window without causal and other dtypes") {
  const Tensor q = Tensor::zeros({1, 4, 3, 8});
  const Tensor k = Tensor::zeros({1, 2, 5, 8});
  const auto code = [](const Tensor& queries, const Tensor& keys, const Tensor& values) {
    return code_of([&] { ops::attention(queries, keys, values); });
  };
  CHECK(code(q, k, k.slice(2, 0, 4)) == ErrorCode::invalid_argument);
  CHECK(code(q, k.slice(3, 0, 4), k.slice(3, 0, 4)) == ErrorCode::invalid_argument);
  CHECK(code(q.slice(1, 0, 3), k, k) == ErrorCode::invalid_argument);
  CHECK(code(q, k.slice(1, 0, 0), k.slice(1, 0, 0)) == ErrorCode::invalid_argument);
  CHECK(code(q.cast(DType::bf16), k, k) == ErrorCode::invalid_argument);
  CHECK(code(q.reshape({4, 3, 8}), k, k) == ErrorCode::invalid_argument);
  const auto in = [](const Tensor& x, DType dtype) { return x.cast(dtype); };
  CHECK(code(in(q, DType::f64), in(k, DType::f64), in(k, DType::f64)) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::attention(q, k, k, {.window = 3}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::attention(q, k, k, {.causal = true, .window = -1}); }) ==
        ErrorCode::invalid_argument);
}

TEST_CASE("rotary_embedding refuses sizes and dtypes that do not fit") {
  const Tensor x = Tensor::zeros({3, 2, 8});
  const Tensor positions = Tensor::zeros({3}, DType::i64);
  const Tensor frequencies = Tensor::zeros({4});
  const auto code = [](const Tensor& heads, const Tensor& at, const Tensor& speeds) {
    return code_of([&] { ops::rotary_embedding(heads, at, speeds); });
  };
  CHECK(code(x.reshape({6, 8}), positions, frequencies) == ErrorCode::invalid_argument);
  CHECK(code(x, positions.slice(0, 0, 2), frequencies) == ErrorCode::invalid_argument);
  CHECK(code(x, positions.cast(DType::f32), frequencies) == ErrorCode::invalid_argument);
  CHECK(code(x, positions, Tensor::zeros({5})) == ErrorCode::invalid_argument);
  CHECK(code(x, positions, frequencies.cast(DType::f64)) == ErrorCode::invalid_argument);
  CHECK(code(x.cast(DType::i32), positions, frequencies) == ErrorCode::unsupported);
}
