#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "io/json.h"
#include "io/safetensors.h"
#include "quern/llm.h"
#include "quern/runtime.h"
#include "support/error_code.h"
#include "support/gguf_writer.h"
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
  /// Else all of a matrix are the same, and no setting of attention shows.
  void give_each_element_its_own() {
    for (auto& [name, tensor] : tensors) {
      if (tensor.rank() < 2) continue;
      const std::span<float> values = tensor.mutable_data<float>();
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = std::sin(static_cast<float>(i * i + name.size()));
    }
  }
  llm::Model load() const {
    folder.write("config.json", config.dump());
    io::write_safetensors(folder.path("model.safetensors"), tensors);
    return llm::Model::load(folder.path(""));
  }
};

/// What loading it says.
std::string error_of(const TinyModel& model) {
  try {
    model.load();
  } catch (const Error& error) {
    return std::string(error.what());
  }
  return "no error";
}

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

Tensor logits_of(const llm::Model& model) {
  return model.logits(Tensor::from(std::vector<std::int64_t>{1, 5, 2, 7, 3, 3, 9, 4}, {1, 8}));
}

bool are_equal(const Tensor& a, const Tensor& b) {
  return std::ranges::equal(a.data<float>(), b.data<float>());
}

/// The same as GGUF, but for the embedding's values, which differ by token here.
GgufWriter tiny_gguf() {
  GgufWriter writer;
  writer.set("general.architecture", std::string("llama"));
  const auto size = [&](const char* key, std::uint32_t value) {
    writer.set(std::string("llama.") + key, value);
  };
  size("embedding_length", 8);
  size("block_count", 1);
  size("attention.head_count", 2);
  size("attention.head_count_kv", 1);
  size("feed_forward_length", 12);
  size("context_length", 32);
  writer.set("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  const auto add = [&](const std::string& name, const Shape& shape) {
    std::vector<float> values(static_cast<std::size_t>(shape.numel()));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = shape.rank() == 1 ? 1.f : std::sin(static_cast<float>(i * i + name.size()));
    writer.add(name + ".weight", shape, values);
  };
  add("token_embd", {10, 8});
  add("output_norm", {8});
  for (const char* name : {"attn_norm", "ffn_norm"}) add(std::string("blk.0.") + name, {8});
  add("blk.0.attn_q", {8, 8});
  add("blk.0.attn_k", {4, 8});
  add("blk.0.attn_v", {4, 8});
  add("blk.0.attn_output", {8, 8});
  add("blk.0.ffn_gate", {12, 8});
  add("blk.0.ffn_up", {12, 8});
  add("blk.0.ffn_down", {8, 12});
  return writer;
}

llm::Model load_gguf(const GgufWriter& writer) {
  const TemporaryFolder folder;
  folder.write("model.gguf", writer.bytes());
  return llm::Model::load(folder.path("model.gguf"), {.accuracy = Accuracy::exact});
}

std::string gguf_error(const GgufWriter& writer, ErrorCode expected) {
  try {
    load_gguf(writer);
  } catch (const Error& error) {
    CHECK(error.code() == expected);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("weights that are quantised in a way that is not known are refused by name") {
  for (const char* method : {"gptq", "awq", "bitsandbytes", "fp8", "compressed-tensors"}) {
    TinyModel model;
    model.set("quantization_config", std::string(R"({"quant_method": ")") + method + "\"}");
    CHECK(code_of([&] { model.load(); }) == ErrorCode::unsupported);
    CHECK(says(error_of(model), method));
  }
  const std::string projection = "model.layers.0.mlp.up_proj.";
  for (const char* scale :
       {"weight_scale", "weight_scale_inv", "scales", "weight.absmax", "g_idx"}) {
    TinyModel model;
    model.tensors.emplace(projection + scale, Tensor::full({12}, 0.5));
    CHECK(code_of([&] { model.load(); }) == ErrorCode::unsupported);
    CHECK(says(error_of(model), projection + scale));
  }
  TinyModel codes;
  codes.tensors.erase(projection + "weight");
  codes.tensors.emplace(projection + "qweight", Tensor::full({1, 12}, 5, DType::i32));
  CHECK(code_of([&] { codes.load(); }) == ErrorCode::unsupported);
  TinyModel bytes;
  bytes.tensors[projection + "weight"] = Tensor::full({12, 8}, 3, DType::i8);
  CHECK(code_of([&] { bytes.load(); }) == ErrorCode::unsupported);
  CHECK(says(error_of(bytes), projection + "weight"));
  TinyModel others;
  others.tensors.emplace("model.layers.0.self_attn.rotary_emb.inv_freq", Tensor::full({2}, 1.0));
  CHECK(error_of(others) == "no error");
}

TEST_CASE("an output matrix may be missing only where the configuration ties it") {
  TinyModel model;
  CHECK(error_of(model) == "no error");
  model.set("tie_word_embeddings", "false");
  CHECK(code_of([&] { model.load(); }) == ErrorCode::not_found);
  CHECK(says(error_of(model), "lm_head.weight"));
  model.config.erase("tie_word_embeddings");
  CHECK(code_of([&] { model.load(); }) == ErrorCode::not_found);
}

TEST_CASE("a bias is read only where the configuration has it") {
  const std::string bias = "model.layers.0.self_attn.q_proj.bias";
  TinyModel model;
  const Tensor plain = logits_of(model.load());
  model.tensors.emplace(bias, Tensor::full({8}, 0.7));
  CHECK(are_equal(logits_of(model.load()), plain));
  model.set("attention_bias", "true");
  CHECK(code_of([&] { model.load(); }) == ErrorCode::not_found);
}

TEST_CASE("a sliding window is read where the architecture has one") {
  TinyModel model;
  model.give_each_element_its_own();
  const Tensor plain = logits_of(model.load());
  model.set("sliding_window", "2");
  CHECK(are_equal(logits_of(model.load()), plain));
  model.set("architectures", R"(["MistralForCausalLM"])");
  const Tensor windowed = logits_of(model.load());
  CHECK(!are_equal(windowed, plain));
  model.set("layer_types", R"(["full_attention"])");
  CHECK(are_equal(logits_of(model.load()), plain));
  model.set("layer_types", R"(["sliding_attention"])");
  CHECK(are_equal(logits_of(model.load()), windowed));
  model.set("layer_types", R"(["chunked"])");
  CHECK(code_of([&] { model.load(); }) == ErrorCode::unsupported);
  model.set("layer_types", R"(["full_attention", "sliding_attention"])");
  CHECK(code_of([&] { model.load(); }) == ErrorCode::corrupt_file);
  model.set("layer_types", "null");
  model.set("sliding_window", "null");
  CHECK(are_equal(logits_of(model.load()), plain));
  model.set("model_type", "\"llama\"");
  CHECK(code_of([&] { model.load(); }) == ErrorCode::unsupported);
}

TEST_CASE("rotary settings are found where transformers finds them") {
  TinyModel model;
  model.give_each_element_its_own();
  const auto logits = [&](const std::string& parameters, const std::string& scaling,
                          const std::string& theta) {
    model.set("rope_parameters", parameters);
    model.set("rope_scaling", scaling);
    model.set("rope_theta", theta);
    return logits_of(model.load());
  };
  const Tensor scaled =
      logits(R"({"rope_type": "linear", "factor": 4, "rope_theta": 500})", "null", "null");
  CHECK(are_equal(logits("null", R"({"type": "linear", "factor": 4})", "500"), scaled));
  CHECK(are_equal(logits(R"({"rope_type": "linear", "factor": 4})", "null", "500"), scaled));
  CHECK(are_equal(
      logits(R"({"rope_type": "default"})", R"({"type": "linear", "factor": 4})", "500"), scaled));
  CHECK(!are_equal(logits("null", "null", "500"), scaled));
}

TEST_CASE("GGUF's rotary factor is linear where no type is given, under either name") {
  const auto logits = [](const auto& change) {
    GgufWriter writer = tiny_gguf();
    change(writer);
    return logits_of(load_gguf(writer));
  };
  const Tensor plain = logits([](GgufWriter&) {});
  const Tensor scaled = logits([](GgufWriter& writer) {
    writer.set("llama.rope.scaling.type", std::string("linear"));
    writer.set("llama.rope.scaling.factor", 4.f);
  });
  CHECK(!are_equal(plain, scaled));
  CHECK(are_equal(logits([](GgufWriter& w) { w.set("llama.rope.scaling.factor", 4.f); }), scaled));
  CHECK(are_equal(logits([](GgufWriter& w) { w.set("llama.rope.scale_linear", 4.f); }), scaled));
  CHECK(are_equal(logits([](GgufWriter& w) { w.set("llama.rope.scaling.factor", 0.f); }), plain));
  CHECK(are_equal(logits([](GgufWriter& w) {
                    w.set("llama.rope.scaling.type", std::string("none"));
                    w.set("llama.rope.scaling.factor", 4.f);
                  }),
                  plain));
  CHECK(
      are_equal(logits([](GgufWriter& w) { w.set("llama.attention.sliding_window", 2u); }), plain));
}

TEST_CASE("GGUF settings that would change the result are refused, others are not") {
  const auto error = [](const auto& change, ErrorCode code = ErrorCode::unsupported) {
    GgufWriter writer = tiny_gguf();
    change(writer);
    return gguf_error(writer, code);
  };
  CHECK(says(error([](GgufWriter& w) { w.set("llama.expert_count", 8u); }), "mixture of experts"));
  CHECK(says(error([](GgufWriter& w) { w.set("llama.rope.scaling.type", std::string("spiral")); }),
             "spiral"));
  CHECK(says(error([](GgufWriter& w) { w.set("llama.rope.scaling.attn_factor", 2.f); }),
             "attn_factor"));
  CHECK(
      says(error([](GgufWriter& w) { w.set("llama.attention.value_length", 8u); }), "values of 8"));
  CHECK(says(error([](GgufWriter& w) { w.add("blk.0.attn_q.scale", {1}, {2.f}); }),
             "blk.0.attn_q.scale"));
  CHECK(says(error([](GgufWriter& w) {
               w.add("blk.0.attn_q_norm.weight", {4}, {1, 1, 1, 1});
             }),
             "blk.0.attn_q_norm.weight"));
  CHECK(says(error(
                 [](GgufWriter& w) {
                   w.set_array<std::int32_t>("llama.attention.head_count_kv", {1, 1});
                 },
                 ErrorCode::corrupt_file),
             "one for each layer"));
  CHECK(error([](GgufWriter& w) {
          w.set_array<std::int32_t>("llama.attention.head_count_kv", {1});
          w.set_array<std::uint32_t>("llama.feed_forward_length", {12});
          w.set("general.huge", ~std::uint64_t{0});
        }) == "no error");
}

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
  CHECK(code("hidden_act", "\"wave\"") == ErrorCode::unsupported);
  CHECK(code("rope_scaling", R"({"rope_type": "yarn"})") == ErrorCode::corrupt_file);
  CHECK(code("rope_scaling", R"({"rope_type": "yarn", "factor": -2})") == ErrorCode::corrupt_file);
  CHECK(code("rope_scaling", R"({"rope_type": "spiral"})") == ErrorCode::unsupported);
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
