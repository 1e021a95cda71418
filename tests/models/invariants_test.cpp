#include <doctest/doctest.h>
#include <algorithm>

#include <memory>
#include <random>
#include <vector>

#include "models/arch/architecture.h"
#include "models/cache/kv_cache.h"
#include "quern/ops.h"
#include "quern/tokenizer.h"
#include "support/logits.h"
#include "support/runtime_guard.h"
#include "support/test_data.h"

// What must hold of any decoder, whatever its weights.

using namespace quern;
using namespace quern::models;

namespace {

constexpr double kRounding = 1e-5;

struct Loaded {
  std::unique_ptr<const Decoder> decoder;
  std::shared_ptr<KvPool> pool;

  explicit Loaded(const std::string& path) {
    const ModelSource source = open_source(path, {});
    decoder = find_architecture(source.architecture())->load(source, Accuracy::exact);
    pool = std::make_shared<KvPool>(decoder->info().cache);
  }

  std::vector<TokenId> random_ids(std::size_t count, unsigned seed) const {
    std::mt19937 random(seed);
    std::vector<TokenId> ids(count);
    for (TokenId& id : ids)
      id = static_cast<TokenId>(random() % static_cast<unsigned>(decoder->info().vocab_size));
    return ids;
  }

  /// Runs `ids` in chunks of the given sizes, over and over, and returns every token's logits.
  Tensor run(std::span<const TokenId> ids, std::span<const std::size_t> chunks) const {
    KvSequence sequence(pool);
    std::vector<Tensor> logits;
    for (std::size_t i = 0; !ids.empty(); ++i) {
      const auto chunk = ids.first(std::min(ids.size(), chunks[i % chunks.size()]));
      Batch batch;
      sequence.reserve(std::ssize(chunk));
      batch.add(sequence, chunk);
      for (std::int64_t place = 0; place < std::ssize(chunk); ++place)
        batch.wanted.push_back(place);
      logits.push_back(decoder->forward(batch));
      sequence.advance(std::ssize(chunk));
      ids = ids.subspan(chunk.size());
    }
    return ops::concat(logits, 0);
  }
};

std::vector<std::string> model_paths() {
  std::vector<std::string> paths{"examples/models/storyteller-q8_0.gguf"};
  for (const char* name :
       {"golden/llama", "golden/mistral", "golden/gguf/q4_k_m.gguf", "golden/gguf/bf16.gguf"}) {
    if (const auto path = test_data(name)) paths.push_back(path->string());
  }
  return paths;
}

}  // namespace

TEST_CASE("prefill and decode give one full forward, in whatever chunks") {
  for (const std::string& path : model_paths()) {
    CAPTURE(path);
    const Loaded model(path);
    const std::vector<TokenId> ids = model.random_ids(143, 1);  // three pages, the last not full
    const std::size_t whole[] = {ids.size()};
    const Tensor expected = model.run(ids, whole);
    const std::vector<std::vector<std::size_t>> ways{
        {1}, {64, 1, 1, 1}, {7, 13}, {130, 1}, {63, 2, 9}};
    for (const auto& chunks : ways) {
      CAPTURE(chunks.front());
      CHECK(share_of_range(model.run(ids, chunks), expected) <= kRounding);
    }
  }
}

TEST_CASE("a batch gives each of its sequences what it gives it alone") {
  for (const std::string& path : model_paths()) {
    CAPTURE(path);
    const Loaded model(path);
    const std::size_t lengths[] = {1, 70, 13, 64, 3};
    std::vector<KvSequence> sequences;
    for (std::size_t i = 0; i < std::size(lengths); ++i) sequences.emplace_back(model.pool);
    Batch batch;
    std::vector<Tensor> alone;
    for (unsigned i = 0; i < std::size(lengths); ++i) {
      const auto ids = model.random_ids(lengths[i], i);
      sequences[i].reserve(std::ssize(ids));
      batch.add(sequences[i], ids);
      const std::size_t whole[] = {ids.size()};
      alone.push_back(model.run(ids, whole));
    }
    for (std::int64_t i = 0; i < std::ssize(batch.tokens); ++i) batch.wanted.push_back(i);
    CHECK(share_of_range(model.decoder->forward(batch), ops::concat(alone, 0)) <= kRounding);
  }
}

TEST_CASE("a sequence cut back to a prefix goes on as if it had never been longer") {
  const Loaded model("examples/models/storyteller-q8_0.gguf");
  const std::vector<TokenId> ids = model.random_ids(100, 3);
  const std::size_t whole[] = {ids.size()};
  const Tensor expected = model.run(ids, whole).slice(0, 99, 100).contiguous();
  KvSequence sequence(model.pool);
  const auto feed = [&](std::span<const TokenId> tokens) {
    Batch batch;
    sequence.reserve(std::ssize(tokens));
    batch.add(sequence, tokens);
    batch.want_last();
    Tensor logits = model.decoder->forward(batch);
    sequence.advance(std::ssize(tokens));
    return logits;
  };
  feed(std::span(ids).first(40));
  feed(model.random_ids(90, 4));
  sequence.truncate(40);
  CHECK(sequence.length() == 40);
  CHECK(share_of_range(feed(std::span(ids).subspan(40)), expected) <= kRounding);
}

TEST_CASE("the number of threads changes logits by rounding at most") {
  const RuntimeGuard guard;
  for (const std::string& path : model_paths()) {
    CAPTURE(path);
    const Loaded model(path);
    const std::vector<TokenId> ids = model.random_ids(90, 6);
    const auto run = [&](int threads) {
      RuntimeOptions options = guard.before();
      options.threads = threads;
      configure(options);
      const std::size_t prompt_then_tokens[] = {70, 1};
      return model.run(ids, prompt_then_tokens);
    };
    const Tensor one = run(1);
    for (const int threads : {2, 3}) CHECK(share_of_range(run(threads), one) <= kRounding);
  }
}
