#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "io/json.h"
#include "quern/llm.h"
#include "support/logits.h"
#include "support/test_data.h"

using namespace quern;

namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<TokenId> to_ids(const Tensor& tensor) {
  const Tensor ids = tensor.reshape({-1}).cast(DType::i32);
  return {ids.data<TokenId>().begin(), ids.data<TokenId>().end()};
}

llm::GenerateOptions greedy_tokens(std::int64_t tokens) {
  llm::GenerateOptions options{.max_tokens = tokens, .temperature = 0.f};
  options.ignore_stop_tokens = true;
  return options;
}

/// Compares each file of the folder with its golden, and returns how many there are.
int check_types(const std::filesystem::path& folder) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    CAPTURE(entry.path().filename().string());
    ++files;
    auto golden_path = entry.path();
    golden_path.replace_extension(".golden.safetensors");
    const Weights golden = Weights::open(golden_path.string());
    const Tensor ids = golden.tensor("input_ids");
    const auto exact = llm::Model::load(entry.path().string(), {.accuracy = Accuracy::exact});
    CHECK(share_of_range(exact.logits(ids), golden.tensor("logits")) <= 2e-3);
    // 8-bit activations, bf16 panels and f16 keys and values: coarser, but of the same size as the
    // rounding of bf16.
    const auto fast = llm::Model::load(entry.path().string());
    CHECK(share_of_range(fast.logits(ids), golden.tensor("logits")) <= 2e-2);
  }
  return files;
}

}  // namespace

TEST_CASE("logits and greedy ids agree with transformers on Hugging Face folders") {
  for (const char* name : {"llama", "llama3-rope", "mistral"}) {
    CAPTURE(name);
    const auto folder = test_data(std::string("golden/") + name);
    if (!folder) return;
    const Weights golden = Weights::open((*folder / "golden.safetensors").string());
    const auto model = llm::Model::load(folder->string(), {.accuracy = Accuracy::exact});
    const Tensor ids = golden.tensor("input_ids");
    CHECK(share_of_range(model.logits(ids), golden.tensor("logits")) <= 1e-3);

    const std::vector<TokenId> prompt = to_ids(ids.slice(0, 0, 1));
    const std::vector<TokenId> expected = to_ids(golden.tensor("greedy_ids"));
    const auto reply =
        model.generate(prompt, greedy_tokens(std::ssize(expected) - std::ssize(prompt)));
    CHECK(std::ranges::equal(reply.tokens, std::span(expected).subspan(prompt.size())));
  }
}

TEST_CASE("every GGUF type gives the logits of its dequantised weights") {
  int files = 0;
  for (const char* name : {"golden/gguf", "golden/gguf-types"}) {
    const auto folder = test_data(name);
    if (!folder) return;
    files += check_types(*folder);
  }
  CHECK(files == 17 + 10);
}

TEST_CASE("a model that others trained tells the very text of its reference") {
  const auto folder = test_data("llm/stories260K");
  if (!folder) return;
  for (const Accuracy accuracy : {Accuracy::exact, Accuracy::fast}) {
    const auto model = llm::Model::load((*folder / "gguf/stories260K-F32.gguf").string(),
                                        {.accuracy = accuracy, .context_length = 512});
    CHECK(model.generate("", greedy_tokens(256)).text + "\n" ==
          read_text(*folder / "expected_greedy_256.txt"));
  }
}

TEST_CASE("the shipped model continues prompts as PyTorch does with the same weights") {
  const auto model =
      llm::Model::load("examples/models/storyteller-q8_0.gguf", {.accuracy = Accuracy::exact});
  const io::Json cases = io::read_json("tests/data/storyteller.greedy.json");
  REQUIRE(cases.size() == 3);
  for (const io::Json& story : cases) {
    const auto prompt = story.at("prompt").get<std::string>();
    CAPTURE(prompt);
    CHECK(model.tokenizer().encode(prompt) == story.at("prompt_ids").get<std::vector<TokenId>>());
    const auto expected = story.at("ids").get<std::vector<TokenId>>();
    const auto reply = model.generate(prompt, greedy_tokens(std::ssize(expected)));
    CHECK(reply.tokens == expected);
    CHECK(reply.text == story.at("text").get<std::string>());
  }
}
