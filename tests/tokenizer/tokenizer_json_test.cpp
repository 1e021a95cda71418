#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "io/json.h"
#include "quern/tokenizer.h"
#include "support/temporary_folder.h"
#include "support/test_data.h"

namespace quern {
namespace {

using io::Json;

const std::string kData = "tests/data/tokenizer/";

const Json& goldens() {
  static const Json json = io::read_json(kData + "goldens.json");
  return json;
}

/// A golden encodes with special tokens parsed; its decoded texts leave them out.
void check_golden(const Tokenizer& tokenizer, const std::string& name, bool check_decoded = true) {
  const Json& golden = goldens().at("tokenizers").at(name);
  const Json& texts = goldens().at("texts");
  REQUIRE(texts.size() > 60);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    CAPTURE(name);
    CAPTURE(text);
    const auto expected = golden.at("ids")[i].get<std::vector<TokenId>>();
    CHECK(tokenizer.encode(text, {.add_special = false, .parse_special = true}) == expected);
    const auto decoded = golden.at("decoded")[i].get<std::string>();
    const bool replaced = decoded.find("\ufffd") != std::string::npos;
    if (check_decoded && !replaced) CHECK(tokenizer.decode(expected) == decoded);
  }
  CHECK(tokenizer.encode("a") == golden.at("around").get<std::vector<TokenId>>());
}

TEST_CASE("every design of tokenizer.json gives the reference's ids and texts") {
  for (const char* name :
       {"prepend", "metaspace_first", "metaspace_always", "merged", "byte_level", "steps"}) {
    check_golden(Tokenizer::load(kData + name + ".json"), name);
  }
}

TEST_CASE("published tokenizer.json files give the reference's ids") {
  for (const std::string name : {"roberta-base", "whisper.tiny", "clip"}) {
    const auto folder = test_data("tokenizers/hf/" + name);
    if (!folder) return;
    // The reference decodes "</w>" as it stands.
    check_golden(Tokenizer::load(folder->string()), name, name != "clip");
  }
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The tokenizer.json of Qwen2 made of its vocabulary and merges.
Json qwen2_json(const std::filesystem::path& folder) {
  Json json = Json::parse(R"({
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex": ""}},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "merges": []}})");
  json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
      R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  json["model"]["vocab"] = io::read_json((folder / "vocab.json").string());
  std::ifstream merges(folder / "merges.txt");
  for (std::string line; std::getline(merges, line);) json["model"]["merges"].push_back(line);
  int id = 151643;
  for (const char* text : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    json["added_tokens"].push_back({{"id", id++}, {"content", text}, {"special", true}});
  }
  return json;
}

TEST_CASE("a folder's files together make the tokenizer") {
  const auto folder = test_data("tokenizers/hf/qwen2");
  if (!folder) return;
  const TemporaryFolder copy;
  copy.write("tokenizer.json", qwen2_json(*folder).dump());
  copy.write("tokenizer_config.json", read_text(*folder / "tokenizer_config.json"));
  copy.write("generation_config.json", R"({"eos_token_id": [151645, 151643]})");
  const auto tokenizer = Tokenizer::load(copy.path(""));
  check_golden(tokenizer, "qwen2");
  CHECK(tokenizer.kind() == "byte-level BPE");
  CHECK(!tokenizer.bos());
  CHECK(tokenizer.eos() == 151645);
  CHECK(std::vector<TokenId>(tokenizer.stop_tokens().begin(), tokenizer.stop_tokens().end()) ==
        std::vector<TokenId>{151643, 151645});
  CHECK(tokenizer.chat_template().starts_with("{% for message in messages %}"));
  CHECK(tokenizer.vocab_size() == 151646);
}

}  // namespace
}  // namespace quern
