#include "kernels/attention.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/dense_attention.h"
#include "kernels/each_target.h"
#include "support/waves.h"

namespace quern::kernels {
namespace {

/// One sequence's tokens in pages and side by side.
struct PagedCase {
  std::int64_t queries, context, dim, window;

  static constexpr std::int64_t kHeads = 6;
  static constexpr std::int64_t kKvHeads = 2;

  AttentionMask mask() const { return {.causal = true, .window = window, .scale = 0.3f}; }

  std::vector<float> paged(const std::vector<float>& q, const std::vector<float>& k,
                           const std::vector<float>& v) const {
    const HeadLayout layout{kHeads, kKvHeads, dim, DType::f32};
    const std::int64_t count = (context + kPageTokens - 1) / kPageTokens;
    const auto elements = static_cast<std::size_t>(page_elements(kKvHeads, dim));
    constexpr std::size_t kLine = 16;
    std::vector<float> memory(2 * static_cast<std::size_t>(count) * elements + kLine);
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data()) / sizeof(float);
    float* page = memory.data() + (kLine - address % kLine) % kLine;
    std::vector<KvPage> pages;
    for (std::int64_t i = 0; i < count; ++i, page += 2 * elements)
      pages.push_back({page, page + elements});
    // As a prompt and then a token at a time come.
    const std::int64_t first = context / 2;
    const std::int64_t row = kKvHeads * dim;
    store_kv(layout, pages, 0, first, k.data(), v.data(), row);
    for (std::int64_t i = first; i < context; ++i)
      store_kv(layout, pages, i, 1, k.data() + i * row, v.data() + i * row, row);
    std::vector<float> dst(q.size(), -7.f);
    const SequenceQueries sequence{.pages = pages,
                                   .context = context,
                                   .position = context - queries,
                                   .count = queries,
                                   .queries = q.data(),
                                   .dst = dst.data()};
    attend(layout, std::span(&sequence, 1), kHeads * dim, kHeads * dim, mask());
    return dst;
  }

  std::vector<float> dense(const std::vector<float>& q, const std::vector<float>& k,
                           const std::vector<float>& v) const {
    std::vector<KeyRange> seen;
    for (std::int64_t i = context - queries + 1; i <= context; ++i)
      seen.push_back({window > 0 ? std::max<std::int64_t>(i - window, 0) : 0, i});
    std::vector<float> dst(q.size(), -7.f);
    const std::int64_t row = kHeads * dim;
    const std::int64_t kv_row = kKvHeads * dim;
    DenseAttention attention;
    attention.batch = 1;
    attention.heads = kHeads;
    attention.kv_heads = kKvHeads;
    attention.queries = queries;
    attention.keys = context;
    attention.dim = attention.value_dim = dim;
    attention.scale = mask().scale;
    attention.seen = seen.data();
    attention.q = {q.data(), {0, dim, row, 1}};
    attention.k_transposed = {k.data(), {0, dim, 1, kv_row}};
    attention.v = {v.data(), {0, dim, kv_row, 1}};
    attention.dst = {dst.data(), {0, dim, row, 1}};
    attend_dense(attention);
    return dst;
  }

  void check() const {
    const auto q = wave(queries * kHeads * dim, 0.7f);
    const auto k = wave(context * kKvHeads * dim, 1.3f);
    const auto v = wave(context * kKvHeads * dim, 2.1f);
    on_each_target([&] {
      const std::vector<float> got = paged(q, k, v);
      const std::vector<float> want = dense(q, k, v);
      float farthest = 0;
      for (std::size_t i = 0; i < want.size(); ++i) {
        const float error = std::abs(got[i] - want[i]);
        if (!(error <= farthest)) farthest = error;  // NaN too
      }
      CHECK(farthest < 1e-5f);
    });
  }
};

TEST_CASE("attention over pages agrees with attention over tensors") {
  for (const std::int64_t context : {1, 63, 64, 65, 200}) {
    for (const std::int64_t queries : {std::int64_t{1}, context / 2 + 1, context}) {
      for (const std::int64_t dim : {16, 20}) {
        for (const std::int64_t window : {0, 1, 30}) {
          CAPTURE(context);
          CAPTURE(queries);
          CAPTURE(dim);
          CAPTURE(window);
          PagedCase{queries, context, dim, window}.check();
        }
      }
    }
  }
}

}  // namespace
}  // namespace quern::kernels
