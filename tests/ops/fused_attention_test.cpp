#include "ops/fused_attention.h"

#include <doctest/doctest.h>

#include <cmath>

#include "quern/ops.h"
#include "support/waves.h"

using namespace quern;

namespace {

struct Given {
  Tensor q, k_transposed, v;

  /// Of models that split heads off the last axis, and of those that keep them first.
  static Given split(std::int64_t queries, std::int64_t keys) {
    return {waves({2, queries, 3, 20}, 0.7f).transpose(1, 2),
            waves({2, keys, 3, 20}, 1.3f).transpose(1, 2).transpose(2, 3),
            waves({2, keys, 3, 24}, 2.1f).transpose(1, 2)};
  }
  static Given first(std::int64_t queries, std::int64_t keys) {
    return {waves({2, 3, 20, queries}, 0.7f).transpose(2, 3), waves({2, 3, 20, keys}, 1.3f),
            waves({2, 3, 24, keys}, 2.1f).transpose(2, 3)};
  }

  double error(const std::optional<Tensor>& mask) const {
    const Tensor got = ops::fused_attention(q, k_transposed, v, mask, 0.3f);
    Tensor scores =
        ops::mul(ops::matmul(q.contiguous(), k_transposed.contiguous()), Tensor::scalar(0.3f));
    if (mask) scores = ops::add(scores, *mask);
    const Tensor want = ops::matmul(ops::softmax(scores, -1), v.contiguous());
    REQUIRE(got.shape() == want.shape());
    const Tensor dense = got.contiguous();
    double largest = 0;
    for (std::size_t i = 0; i < dense.data<float>().size(); ++i) {
      const double each = std::abs(dense.data<float>()[i] - want.data<float>()[i]);
      if (!(each <= largest)) largest = each;  // NaN too
    }
    return largest;
  }
};

}  // namespace

TEST_CASE("attention in one operation gives what its products and softmax give") {
  for (const std::int64_t queries : {1, 8, 9, 70}) {
    for (const std::int64_t keys : {1, 33, 128}) {
      CAPTURE(queries);
      CAPTURE(keys);
      for (const Given& given : {Given::split(queries, keys), Given::first(queries, keys)}) {
        CHECK(given.error(std::nullopt) < 1e-5);
        CHECK(given.error(waves({keys}, 0.9f)) < 1e-5);
        CHECK(given.error(waves({2, 1, 1, keys}, 0.9f)) < 1e-5);
        CHECK(given.error(waves({2, 3, queries, keys}, 0.9f)) < 1e-5);
        CHECK(given.error(waves({3, queries, 1}, 0.9f)) < 1e-5);
        CHECK(given.error(waves({keys, queries}, 0.9f).transpose(0, 1)) < 1e-5);
      }
    }
  }
}
