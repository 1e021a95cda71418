#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "models/arch/architecture.h"
#include "quern/ops.h"
#include "quern/tokenizer.h"
#include "quern/weights.h"
#include "support/test_data.h"

// Small random models of many families, with the logits and greedy tokens of their reference.

using namespace quern;
using namespace quern::models;

namespace {

constexpr double kTolerance = 1e-3;  // of the range of the logits

/// The files of the decoders that the index lists, each with its reference.
struct Case {
  std::string model;
  std::string reference;
};

std::vector<Case> decoder_cases(const std::filesystem::path& folder) {
  std::vector<Case> cases;
  std::ifstream index(folder / "families.tsv");
  for (std::string line; std::getline(index, line);) {
    std::istringstream fields(line);
    std::string name, kind;
    std::getline(fields, name, '\t');
    std::getline(fields, kind, '\t');
    if (kind != "decoder" && kind != "multimodal-text") continue;
    const std::string path = (folder / name).string();
    cases.push_back({path, path + "/golden.safetensors"});
    if (std::filesystem::exists(path + ".gguf"))
      cases.push_back({path + ".gguf", path + ".gguf.golden.safetensors"});
  }
  return cases;
}

std::vector<TokenId> ids_of(const Tensor& ids) {
  const Tensor narrow = ids.cast(DType::i32).contiguous();
  return {narrow.data<TokenId>().begin(), narrow.data<TokenId>().end()};
}

/// Logits of each of `ids`, which follow what the sequence holds.
Tensor run(const Decoder& decoder, KvSequence& sequence, std::span<const TokenId> ids) {
  Batch batch;
  sequence.reserve(std::ssize(ids));
  batch.add(sequence, ids);
  for (std::int64_t i = 0; i < std::ssize(ids); ++i) batch.wanted.push_back(i);
  const Tensor logits = decoder.forward(batch);
  sequence.advance(std::ssize(ids));
  return logits;
}

double error_of(const Decoder& decoder, const std::shared_ptr<KvPool>& pool,
                const Weights& reference) {
  const Tensor ids = reference.tensor("input_ids");
  const Tensor expected = reference.get("logits").tensor(DType::f32);
  double error = 0;
  for (std::int64_t row = 0; row < ids.dim(0); ++row) {
    KvSequence sequence(pool);
    const Tensor logits = run(decoder, sequence, ids_of(ids.slice(0, row, row + 1)));
    const Tensor want = expected.slice(0, row, row + 1).contiguous();
    REQUIRE(logits.numel() == want.numel());
    for (std::size_t i = 0; i < want.data<float>().size(); ++i) {
      const double one = std::abs(static_cast<double>(logits.data<float>()[i]) -
                                  static_cast<double>(want.data<float>()[i]));
      error = std::isnan(one) ? HUGE_VAL : std::max(error, one);
    }
  }
  const auto [low, high] = std::ranges::minmax(expected.data<float>());
  return error / static_cast<double>(high - low);
}

/// Whether choosing the likeliest token again and again gives what the reference has after its
/// first row, which is fed in two parts.
bool is_greedy(const Decoder& decoder, const std::shared_ptr<KvPool>& pool,
               const Weights& reference) {
  const auto prompt = ids_of(reference.tensor("input_ids").slice(0, 0, 1));
  const auto expected = ids_of(reference.tensor("greedy_ids").reshape({-1}));
  KvSequence sequence(pool);
  sequence.plan(std::ssize(expected));
  run(decoder, sequence, std::span(prompt).first(5));
  Tensor logits = run(decoder, sequence, std::span(prompt).subspan(5));
  for (std::size_t at = prompt.size(); at < expected.size(); ++at) {
    const std::int64_t last = logits.dim(0) - 1;
    const Tensor row = logits.slice(0, last, last + 1).contiguous();
    const auto values = row.data<float>();
    const auto next = static_cast<TokenId>(std::ranges::max_element(values) - values.begin());
    if (next != expected[at]) return false;
    logits = run(decoder, sequence, {&next, 1});
  }
  return true;
}

}  // namespace

TEST_CASE("small models of every known family give their references' logits and tokens") {
  const auto folder = test_data("families");
  if (!folder) return;
  std::string unknown;
  int passed = 0;
  for (const Case& one : decoder_cases(*folder)) {
    CAPTURE(one.model);
    const ModelSource source = open_source(one.model, {});
    const Architecture* architecture = find_architecture(source.architecture());
    const bool has_experts =
        source.gguf && source.gguf->metadata.contains(source.architecture() + ".expert_count");
    if (architecture == nullptr || has_experts) {
      unknown += " " + std::filesystem::path(one.model).filename().string();
      continue;
    }
    const Weights reference = Weights::open(one.reference);
    const auto decoder = architecture->load(source, Accuracy::exact);
    const auto pool = std::make_shared<KvPool>(decoder->info().cache);
    CHECK(error_of(*decoder, pool, reference) <= kTolerance);
    if (reference.contains("greedy_ids")) CHECK(is_greedy(*decoder, pool, reference));
    ++passed;
  }
  CHECK(passed >= 89);
  if (!unknown.empty()) std::cout << "families that are not known:" << unknown << std::endl;
}
