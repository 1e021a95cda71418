#include <doctest/doctest.h>
#include <algorithm>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "io/json.h"
#include "quern/tokenizer.h"
#include "support/test_data.h"
#include "tokenizer/load.h"

namespace quern {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Case {
  std::string text;
  std::vector<TokenId> ids;
};

/// The texts of NAME.inp with the ids of NAME.out.
std::vector<Case> read_cases(const std::string& stem) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::vector<Case> cases;
  std::istringstream lines(read_file(stem + ".out"));
  std::string texts = read_file(stem + ".inp");
  for (std::string line; std::getline(lines, line);) {
    const std::size_t end = std::min(texts.find(separator), texts.size());
    Case& one = cases.emplace_back();
    one.text = texts.substr(0, end);
    texts.erase(0, end + separator.size());
    std::istringstream ids(line);
    for (TokenId id; ids >> id;) one.ids.push_back(id);
  }
  return cases;
}

void check_cases(const Tokenizer& tokenizer, const std::vector<Case>& cases) {
  REQUIRE(cases.size() > 40);
  for (const Case& one : cases) {
    CAPTURE(one.text);
    const auto ids = tokenizer.encode(one.text, {.add_special = false});
    CHECK(ids == one.ids);
    CHECK(tokenizer.decode(ids) == one.text);
  }
}

TEST_CASE("every vocabulary stored in GGUF gives the reference's ids, and the text back") {
  for (const std::string name : {"llama-spm", "gpt-2", "falcon", "deepseek-llm", "mpt", "refact"}) {
    CAPTURE(name);
    const auto path = test_data("tokenizers/gguf/ggml-vocab-" + name + ".gguf");
    if (!path) return;
    check_cases(Tokenizer::load(path->string()), read_cases(path->string()));
  }
}

/// Qwen2's vocabulary as a GGUF file stores it.
io::GgufMetadata qwen2_metadata(const std::filesystem::path& folder) {
  std::vector<std::string> tokens(151646), merges;
  const io::Json vocab = io::read_json((folder / "vocab.json").string());
  for (const auto& [text, id] : vocab.items()) tokens.at(id.get<std::size_t>()) = text;
  std::vector<std::int64_t> kinds(tokens.size(), 1);
  std::size_t id = 151643;
  for (const char* text : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    kinds.at(id) = 3;
    tokens.at(id++) = text;
  }
  std::ifstream file(folder / "merges.txt");
  for (std::string line; std::getline(file, line);) merges.push_back(line);
  return {{"tokenizer.ggml.model", "gpt2"},
          {"tokenizer.ggml.pre", "qwen2"},
          {"tokenizer.ggml.tokens", std::move(tokens)},
          {"tokenizer.ggml.token_type", std::move(kinds)},
          {"tokenizer.ggml.merges", std::move(merges)},
          {"tokenizer.ggml.eos_token_id", std::int64_t{151645}}};
}

TEST_CASE("Qwen2's vocabulary in GGUF gives the reference's ids") {
  const auto folder = test_data("tokenizers/hf/qwen2");
  const auto cases = test_data("tokenizers/gguf/ggml-vocab-qwen2.gguf.inp");
  if (!folder || !cases) return;
  const auto tokenizer = tokenizer_from_gguf(qwen2_metadata(*folder));
  check_cases(tokenizer, read_cases((cases->parent_path() / "ggml-vocab-qwen2.gguf").string()));
  const std::vector<TokenId> stop_tokens(tokenizer.stop_tokens().begin(),
                                         tokenizer.stop_tokens().end());
  CHECK(stop_tokens == std::vector<TokenId>{151643, 151645});
}

TEST_CASE("a small trained model's tokens are its reference text, and back") {
  const auto folder = test_data("llm/stories260K");
  if (!folder) return;
  const std::string npy = read_file(*folder / "ref_tokens.npy");
  std::vector<TokenId> ids(256);
  REQUIRE(npy.size() == 128 + ids.size() * sizeof(TokenId));
  std::memcpy(ids.data(), npy.data() + 128, ids.size() * sizeof(TokenId));
  const auto tokenizer = Tokenizer::load((*folder / "gguf/stories260K-F32.gguf").string());
  const std::string text = read_file(*folder / "expected_greedy_256.txt");
  const std::string decoded = tokenizer.decode(ids);
  CHECK(decoded.size() > 500);
  CHECK(text.starts_with(decoded));
  CHECK(tokenizer.kind() == "SentencePiece BPE");
  CHECK(tokenizer.bos() == 1);
  const auto start = tokenizer.encode("Once upon a time");
  REQUIRE(start.size() < ids.size());
  CHECK(std::equal(start.begin(), start.end(), ids.begin()));

  std::string streamed;
  for (const TokenId id : ids) streamed += tokenizer.piece(id);
  REQUIRE(streamed.starts_with(' '));
  CHECK(streamed.substr(1) == decoded);
}

}  // namespace
}  // namespace quern
