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
#include "quern/error.h"
#include "quern/ops.h"
#include "quern/tokenizer.h"
#include "quern/weights.h"
#include "support/test_data.h"

// Small random models of many families, with the logits and greedy tokens of their reference.

using namespace quern;
using namespace quern::models;

namespace {

constexpr double kTolerance = 1e-3;  // of the range of the logits

/// The files of the models that the index lists, each with its reference.
struct Case {
  std::string model;
  std::string reference;
};

std::vector<Case> cases_of(const std::filesystem::path& folder,
                           std::initializer_list<std::string_view> kinds) {
  std::vector<Case> cases;
  std::ifstream index(folder / "families.tsv");
  for (std::string line; std::getline(index, line);) {
    std::istringstream fields(line);
    std::string name, kind;
    std::getline(fields, name, '\t');
    std::getline(fields, kind, '\t');
    if (std::ranges::count(kinds, kind) == 0) continue;
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

/// Of the hidden states of tokens that are not padding, all texts in one batch.
double error_of(const Encoder& encoder, const Weights& reference) {
  const Tensor ids = reference.tensor("input_ids");
  const Tensor mask = reference.tensor("attention_mask").cast(DType::i32);
  const Tensor expected = reference.get("last_hidden_state").tensor(DType::f32);
  Batch batch;
  std::vector<Tensor> wanted;
  for (std::int64_t row = 0; row < ids.dim(0); ++row) {
    std::vector<TokenId> text = ids_of(ids.slice(0, row, row + 1));
    const auto seen = ids_of(mask.slice(0, row, row + 1));
    text.resize(static_cast<std::size_t>(std::ranges::count(seen, 1)));
    batch.add_text(text);
    wanted.push_back(expected.slice(0, row, row + 1).squeeze(0).slice(0, 0, std::ssize(text)));
  }
  const Tensor want = ops::concat(wanted, 0);
  const Tensor got = encoder.hidden(batch);
  REQUIRE(got.shape() == want.shape());
  double error = 0;
  for (std::size_t i = 0; i < want.data<float>().size(); ++i)
    error = std::max(error, std::abs(static_cast<double>(got.data<float>()[i]) -
                                     static_cast<double>(want.data<float>()[i])));
  const auto [low, high] = std::ranges::minmax(want.data<float>());
  return error / static_cast<double>(high - low);
}

}  // namespace

TEST_CASE("small encoders of every known family give their references' hidden states") {
  const auto folder = test_data("families");
  if (!folder) return;
  std::string unknown;
  int passed = 0;
  for (const Case& one : cases_of(*folder, {"encoder"})) {
    CAPTURE(one.model);
    const ModelSource source = open_source(one.model, {});
    const Architecture* architecture = find_architecture(source.architecture());
    if (architecture == nullptr || architecture->load_encoder == nullptr) {
      unknown += " " + std::filesystem::path(one.model).filename().string();
      continue;
    }
    const auto encoder = architecture->load_encoder(source, Accuracy::exact);
    CHECK(error_of(*encoder, Weights::open(one.reference)) <= kTolerance);
    ++passed;
  }
  CHECK(passed >= 2);
  if (!unknown.empty()) std::cout << "encoders that are not known:" << unknown << std::endl;
}

TEST_CASE("small models of every known family give their references' logits and tokens") {
  const auto folder = test_data("families");
  if (!folder) return;
  std::string unknown;
  int passed = 0;
  for (const Case& one : cases_of(*folder, {"decoder", "multimodal-text"})) {
    CAPTURE(one.model);
    const ModelSource source = open_source(one.model, {});
    const Architecture* architecture = find_architecture(source.architecture());
    const std::string name = std::filesystem::path(one.model).filename().string();
    std::unique_ptr<const Decoder> decoder;
    try {
      if (architecture != nullptr && architecture->load != nullptr)
        decoder = architecture->load(source, Accuracy::exact);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) throw;
      unknown += "\n" + name + ": " + error.what();
      continue;
    }
    if (!decoder) {
      unknown += "\n" + name;
      continue;
    }
    const Weights reference = Weights::open(one.reference);
    const auto pool = std::make_shared<KvPool>(decoder->info().cache);
    CHECK(error_of(*decoder, pool, reference) <= kTolerance);
    if (reference.contains("greedy_ids")) CHECK(is_greedy(*decoder, pool, reference));
    ++passed;
  }
  CHECK(passed >= 106);
  if (!unknown.empty())
    std::cout << "skipped, as their families are not known, or as said:" << unknown << std::endl;
}
