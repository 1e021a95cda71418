#include <doctest/doctest.h>

#include "io/json.h"
#include "io/safetensors.h"
#include "llm/model_config.h"
#include "quern/llm.h"
#include "quern/runtime.h"
#include "support/error_code.h"
#include "support/runtime_guard.h"
#include "support/temporary_folder.h"
#include "support/test_data.h"

using namespace quern;

namespace {

/// A tiny valid model of one layer, whose files a case then breaks.
struct TinyModel {
  TemporaryFolder folder;
  io::Json config = io::parse_json(R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 8,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 12,
    "vocab_size": 10, "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "tie_word_embeddings": true})",
                                   "config.json");
  std::map<std::string, Tensor> tensors;

  TinyModel() {
    const std::string layer = "model.layers.0.";
    const auto add = [&](const std::string& name, const Shape& shape) {
      tensors.emplace(name + ".weight", Tensor::full(shape, 0.1));
    };
    add("model.embed_tokens", {10, 8});
    add("model.norm", {8});
    add(layer + "input_layernorm", {8});
    add(layer + "post_attention_layernorm", {8});
    add(layer + "self_attn.q_proj", {8, 8});
    add(layer + "self_attn.k_proj", {4, 8});
    add(layer + "self_attn.v_proj", {4, 8});
    add(layer + "self_attn.o_proj", {8, 8});
    add(layer + "mlp.gate_proj", {12, 8});
    add(layer + "mlp.up_proj", {12, 8});
    add(layer + "mlp.down_proj", {8, 12});
  }

  void set(const std::string& key, const std::string& value) {
    config[key] = io::parse_json(value, key);
  }
  llm::Model load() const {
    folder.write("config.json", config.dump());
    io::write_safetensors(folder.path("model.safetensors"), tensors);
    return llm::Model::load(folder.path(""));
  }
};

}  // namespace

TEST_CASE("a folder without a tokenizer runs on token ids") {
  const auto model = TinyModel().load();
  CHECK(!model.has_tokenizer());
  CHECK(code_of([&] { model.generate("text"); }) == ErrorCode::not_found);
  CHECK(code_of([&] { llm::Chat chat(model); }) == ErrorCode::not_found);
  const std::vector<TokenId> prompt{1, 2};
  const auto reply = model.generate(prompt, {.max_tokens = 3});
  CHECK(reply.tokens.size() == 3);
  CHECK(reply.text.empty());
}

TEST_CASE("a model that cannot be run says why") {
  CHECK(code_of([] { llm::Model::load("/nowhere/model.gguf"); }) == ErrorCode::not_found);
  TinyModel unknown;
  unknown.set("architectures", R"(["TransformerXL"])");
  try {
    unknown.load();
    FAIL("expected an Error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::unsupported);
    CHECK(std::string(error.what()).find("TransformerXL") != std::string::npos);
    CHECK(std::string(error.what()).find("known:") != std::string::npos);
  }
  TinyModel missing;
  missing.tensors.erase("model.layers.0.mlp.up_proj.weight");
  CHECK(code_of([&] { missing.load(); }) == ErrorCode::not_found);
  TinyModel misshapen;
  misshapen.tensors["model.norm.weight"] = Tensor::zeros({9});
  CHECK(code_of([&] { misshapen.load(); }) == ErrorCode::invalid_argument);
}

TEST_CASE("absurd configurations are refused") {
  const auto code = [](const std::string& key, const std::string& value) {
    TinyModel model;
    model.set(key, value);
    return code_of([&] { model.load(); });
  };
  CHECK(code("num_attention_heads", "0") == ErrorCode::corrupt_file);
  CHECK(code("num_hidden_layers", "-1") == ErrorCode::corrupt_file);
  CHECK(code("num_hidden_layers", "1000000000000") == ErrorCode::corrupt_file);
  CHECK(code("hidden_size", "\"big\"") == ErrorCode::corrupt_file);
  CHECK(code("num_key_value_heads", "3") == ErrorCode::corrupt_file);
  CHECK(code("rms_norm_eps", "-1") == ErrorCode::corrupt_file);
  CHECK(code("head_dim", "7") == ErrorCode::corrupt_file);
  CHECK(code("max_position_embeddings", "0") == ErrorCode::corrupt_file);
  CHECK(code("num_hidden_layers", "2") == ErrorCode::not_found);
  CHECK(code("hidden_act", "\"gelu\"") == ErrorCode::unsupported);
  CHECK(code("rope_scaling", R"({"rope_type": "yarn"})") == ErrorCode::unsupported);
}

TEST_CASE("rotary scaling slows long waves and keeps short ones") {
  auto frequencies = llm::rotary_frequencies(500000.0, 128);
  const auto before = frequencies;
  llm::scale_frequencies(
      frequencies,
      {.factor = 8, .low_freq_factor = 1, .high_freq_factor = 4, .original_context = 8192});
  CHECK(frequencies.front() == before.front());
  CHECK(frequencies.back() == doctest::Approx(before.back() / 8));
}

TEST_CASE("inspect describes a file without loading it") {
  const auto info = llm::inspect("examples/models/storyteller-q8_0.gguf");
  CHECK(info.format == "GGUF v3");
  CHECK(info.supported);
  CHECK(info.layers == 4);
  CHECK(info.vocab_size == 1024);
  CHECK(info.tokenizer == "byte-level BPE");
  CHECK(info.tensor_types.contains("q8_0"));
  CHECK(info.kv_bytes_per_token == 2 * 4 * 2 * 64 * 2);
  const auto other = test_data("golden/gpt2");
  if (!other) return;
  CHECK(llm::inspect(other->string()).architecture == "GPT2LMHeadModel");
}

TEST_CASE("a memory limit fails a request, not the process, and is lifted again") {
  const auto model = llm::Model::load("examples/models/storyteller-q8_0.gguf");
  reconfigure({.memory_limit = runtime_info().memory_in_use + 4096});
  CHECK(code_of([&] { model.generate("Once upon a time"); }) == ErrorCode::out_of_memory);
  reconfigure({});
  CHECK(model.generate("Once upon a time", {.max_tokens = 3}).tokens.size() == 3);
}
