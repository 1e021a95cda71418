#include "models/cache/kv_cache.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>

#include "support/error_code.h"

using namespace quern;
using namespace quern::models;

namespace {

CacheLayout mixed_layout() {
  return {.layers = {KeysAndValues{.kv_heads = 2, .head_dim = 16, .dtype = DType::f32}, NoCache{},
                     KeysAndValues{.kv_heads = 1, .head_dim = 64, .window = 8, .dtype = DType::f16},
                     SharedCache{.layer = 0}}};
}

}  // namespace

TEST_CASE("layers of different sizes have a place each in a page, shared ones that of another") {
  const auto pool = std::make_shared<KvPool>(mixed_layout());
  const std::int64_t first = 2 * 2 * 16 * 64 * 4;
  const std::int64_t third = 2 * 1 * 64 * 64 * 2;
  CHECK(pool->bytes_per_page() == first + third);
  KvSequence sequence(pool);
  sequence.reserve(65);
  CHECK(sequence.layer(0).size() == 2);
  CHECK(sequence.layer(3) == sequence.layer(0));
  CHECK(sequence.layer(2)[0] == sequence.layer(0)[0] + first);
  CHECK(pool->layer(2).window == 8);
  CHECK(pool->layer(3).head_dim == 16);
  CHECK(code_of([&] { (void)pool->layer(1); }) == ErrorCode::internal);
}

TEST_CASE("a layer shares with one before it that keeps something") {
  for (const std::int64_t other : {-1, 1, 2, 3, 7}) {
    CacheLayout layout = mixed_layout();
    std::get<SharedCache>(layout.layers[3]).layer = other;
    if (other == 2) {
      CHECK_NOTHROW(KvPool{layout});
    } else {
      CHECK(code_of([&] { const KvPool pool(layout); }) == ErrorCode::invalid_argument);
    }
  }
}

TEST_CASE("room is made once, and a plan stays with what was made for it") {
  KvSequence sequence(std::make_shared<KvPool>(mixed_layout()));
  sequence.reserve(10);
  const KvPool::Page page = sequence.page(0);
  sequence.reserve(64);
  CHECK(sequence.page(0) == page);
  CHECK(sequence.layer(0).size() == 1);
  CHECK(sequence.planned_length(7) == 7);
  sequence.plan(100);
  sequence.advance(10);
  sequence.plan(200);
  CHECK(sequence.planned_length(7) == 100);
  sequence.truncate(0);
  sequence.plan(200);
  CHECK(sequence.planned_length(0) == 200);
}
