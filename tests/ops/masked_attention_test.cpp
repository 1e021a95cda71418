#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "kernels/each_target.h"
#include "quern/ops.h"
#include "support/error_code.h"
#include "support/waves.h"

using namespace quern;

namespace {

Tensor every_third(const Shape& shape) {
  Tensor seen = Tensor::empty(shape, DType::boolean);
  int at = 0;
  for (bool& value : seen.mutable_data<bool>()) value = at++ % 3 == 0;
  return seen;
}

struct AttentionCaseSizes {
  std::int64_t heads, kv_heads, queries, keys;
};

/// The stages of attention, once asked for, keep it out of the one kernel that has them all.
void check_kernel(const AttentionCaseSizes& sizes, const ops::MaskedAttentionOptions& options) {
  const Tensor q = waves({2, sizes.heads, sizes.queries, 20}, 0.7f);
  const Tensor k = waves({2, sizes.kv_heads, sizes.keys, 20}, 1.3f);
  const Tensor v = waves({2, sizes.kv_heads, sizes.keys, 24}, 2.1f);
  ops::MaskedAttentionOptions staged = options;
  staged.scores = ops::ScoreStage::probabilities;
  const Tensor want = ops::masked_attention(q, k, v, staged).output;
  on_each_target([&] {
    const Tensor got = ops::masked_attention(q, k, v, options).output;
    REQUIRE(got.shape() == want.shape());
    float farthest = 0;
    for (std::size_t i = 0; i < want.data<float>().size(); ++i) {
      const float error = std::abs(got.data<float>()[i] - want.data<float>()[i]);
      if (!(error <= farthest)) farthest = error;  // NaN too
    }
    CHECK(farthest < 1e-5f);
  });
}

}  // namespace

TEST_CASE("attention in one kernel sees what attention in stages does") {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  const Tensor starts = Tensor::from({3, -40}, {2});
  const Tensor lengths = Tensor::from({0, 29}, {2});
  for (const AttentionCaseSizes& sizes :
       {AttentionCaseSizes{4, 4, 9, 33}, AttentionCaseSizes{6, 2, 70, 70},
        AttentionCaseSizes{3, 1, 66, 130}}) {
    CAPTURE(sizes.queries);
    const auto check = [&](const ops::MaskedAttentionOptions& options) {
      check_kernel(sizes, options);
    };
    check({});
    check({.scale = 0.9f, .sink = true});
    check({.causal = true});
    check({.causal = true, .query_starts = starts});
    check({.causal = true, .query_starts = starts, .window = 7});
    check({.causal = true, .window = 1, .sink = true});
    check({.key_lengths = lengths});
    check({.key_lengths = lengths, .causal = true, .query_starts = starts, .sink = true});
    check({.mask = waves({sizes.queries, sizes.keys}, 0.9f)});
    check({.mask = waves({2, 1, 1, sizes.keys - 5}, 0.9f), .causal = true});
    check({.mask = waves({sizes.queries, 1}, 0.9f)});
    check({.mask = every_third({2, sizes.heads, sizes.queries, sizes.keys})});
    check({.mask = every_third({sizes.queries, 1})});
    check({.mask = Tensor::full({sizes.keys}, kHidden)});
    check({.mask = Tensor::full({sizes.keys}, kHidden), .sink = true});
  }
}

TEST_CASE("attention over a view with more elements than any memory is refused") {
  const Tensor q = waves({1, 1, 20, 4}, 0.7f);
  const Tensor k = waves({1, 1, 1, 4}, 1.3f).expand({1, 1, std::int64_t{1} << 58, 4});
  CHECK(code_of([&] { ops::masked_attention(q, k, k, {}); }) == ErrorCode::out_of_memory);
}
