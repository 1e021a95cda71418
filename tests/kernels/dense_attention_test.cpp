#include "kernels/dense_attention.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/each_target.h"
#include "support/waves.h"

namespace quern::kernels {
namespace {

/// Queries, keys and values [batch, tokens, heads, dim], as models that split heads have them.
struct AttentionCase {
  DenseAttention attention;
  std::vector<float> q, k, v, mask;

  AttentionCase(std::int64_t queries, std::int64_t keys, std::int64_t dim, std::int64_t value_dim) {
    constexpr std::int64_t kBatch = 2;
    constexpr std::int64_t kHeads = 3;
    q = wave(kBatch * queries * kHeads * dim, 0.7f);
    k = wave(kBatch * keys * kHeads * dim, 1.3f);
    v = wave(kBatch * keys * kHeads * value_dim, 2.1f);
    attention.batch = kBatch;
    attention.heads = kHeads;
    attention.kv_heads = kHeads;
    attention.queries = queries;
    attention.keys = keys;
    attention.dim = dim;
    attention.value_dim = value_dim;
    attention.scale = 0.3f;
    attention.q = {q.data(), {queries * kHeads * dim, dim, kHeads * dim, 1}};
    attention.k_transposed = {k.data(), {keys * kHeads * dim, dim, 1, kHeads * dim}};
    attention.v = {v.data(), {keys * kHeads * value_dim, value_dim, kHeads * value_dim, 1}};
  }

  double at(const HeadMatrices<const float>& x, std::int64_t batch, std::int64_t head,
            std::int64_t row, std::int64_t column) const {
    return x.of(batch, head)[row * x.strides[2] + column * x.strides[3]];
  }

  /// [batch, queries, heads, value_dim] in double precision.
  std::vector<double> plain() const {
    const DenseAttention& a = attention;
    std::vector<double> result;
    for (std::int64_t batch = 0; batch < a.batch; ++batch) {
      for (std::int64_t query = 0; query < a.queries; ++query) {
        for (std::int64_t head = 0; head < a.heads; ++head) {
          std::vector<double> weights;
          for (std::int64_t key = 0; key < a.keys; ++key) {
            double score = 0;
            for (std::int64_t i = 0; i < a.dim; ++i)
              score += at(a.q, batch, head, query, i) * at(a.k_transposed, batch, head, i, key);
            score *= a.scale;
            if (a.mask.data != nullptr) score += at(a.mask, batch, head, query, key);
            weights.push_back(score);
          }
          const double largest = *std::max_element(weights.begin(), weights.end());
          double sum = 0;
          for (double& weight : weights) sum += weight = std::exp(weight - largest);
          for (std::int64_t i = 0; i < a.value_dim; ++i) {
            double mean = 0;
            for (std::int64_t key = 0; key < a.keys; ++key)
              mean += weights[static_cast<std::size_t>(key)] / sum * at(a.v, batch, head, key, i);
            result.push_back(mean);
          }
        }
      }
    }
    return result;
  }

  std::vector<float> run() {
    DenseAttention& a = attention;
    std::vector<float> result(static_cast<std::size_t>(a.batch * a.queries * a.heads * a.value_dim),
                              -7.f);
    const std::int64_t row = a.heads * a.value_dim;
    a.dst = {result.data(), {a.queries * row, a.value_dim, row, 1}};
    attend_dense(a);
    return result;
  }

  void check() {
    const std::vector<double> want = plain();
    on_each_target([&] {
      const std::vector<float> got = run();
      REQUIRE(got.size() == want.size());
      for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - want[i]) < 2e-6);
    });
  }
};

TEST_CASE("attention over tensors as they lie agrees with plain loops at odd sizes") {
  for (const std::int64_t queries : {1, 5, 64, 67, 131}) {
    for (const std::int64_t keys : {1, 15, 64, 70, 197}) {
      CAPTURE(queries);
      CAPTURE(keys);
      AttentionCase(queries, keys, 64, 64).check();
    }
  }
  for (const std::int64_t dim : {1, 17, 80, 130}) {
    CAPTURE(dim);
    AttentionCase(9, 33, dim, dim).check();
    AttentionCase(9, 33, dim, 40).check();
    AttentionCase(9, 33, 40, dim).check();
  }
  AttentionCase(3, 5000, 20, 20).check();
}

TEST_CASE("attention adds masks of every way to broadcast") {
  constexpr std::int64_t kQueries = 21;
  constexpr std::int64_t kKeys = 37;
  AttentionCase one(kQueries, kKeys, 32, 32);
  one.mask = wave(2 * 3 * kQueries * kKeys, 0.9f);
  for (int which = 0; which < 8; ++which) {
    CAPTURE(which);
    one.attention.mask = {one.mask.data(), {0, 0, 0, 1}};
    const std::int64_t strides[] = {3 * kQueries * kKeys, kQueries * kKeys, kKeys};
    for (int axis = 0; axis < 3; ++axis) {
      if ((which >> axis & 1) != 0) one.attention.mask.strides[axis] = strides[axis];
    }
    one.check();
  }
}

TEST_CASE("a masked key has no weight, and a query without keys no number") {
  constexpr std::int64_t kKeys = 19;
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  AttentionCase one(2, kKeys, 16, 16);
  one.mask.assign(2 * kKeys, 0.f);
  for (std::size_t key = 11; key < kKeys; ++key) one.mask[key] = kHidden;
  one.attention.mask = {one.mask.data(), {0, 0, kKeys, 1}};
  one.check();

  std::fill_n(one.mask.begin(), kKeys, kHidden);
  on_each_target([&] {
    const std::vector<float> got = one.run();
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::isnan(got[i]) == (i / 48 % 2 == 0));
  });
}

}  // namespace
}  // namespace quern::kernels
