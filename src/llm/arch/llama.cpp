#include <cmath>

#include "core/error.h"
#include "io/gguf_metadata.h"
#include "llm/arch/architecture.h"
#include "llm/arch/cached_attention.h"
#include "ops/rotary.h"
#include "quern/layers.h"

// The Llama family (Touvron et al., 2023) and those built alike, Mistral among them: RMSNorm,
// grouped-query attention with rotary positions, SwiGLU.

namespace quern::llm {
namespace {

// ---- Configuration ----

ModelConfig config_from_gguf(const ModelSource& source) {
  const io::GgufMetadata& metadata = source.gguf->metadata;
  const std::string prefix = source.architecture() + ".";
  const auto size = [&](const char* key) { return io::get_int(metadata, prefix + key); };
  const auto size_or = [&](const char* key, std::int64_t other) {
    return io::find_int(metadata, prefix + key).value_or(other);
  };
  ModelConfig config;
  config.vocab_size = source.weights.get("token_embd.weight").shape()[0];
  config.dim = size("embedding_length");
  config.layers = size("block_count");
  config.heads = size("attention.head_count");
  config.kv_heads = size_or("attention.head_count_kv", config.heads);
  config.head_dim =
      size_or("attention.key_length", config.heads > 0 ? config.dim / config.heads : 0);
  config.ffn_dim = size("feed_forward_length");
  config.context_length = size("context_length");
  config.window = size_or("attention.sliding_window", 0);
  config.norm_epsilon =
      static_cast<float>(io::get_float(metadata, prefix + "attention.layer_norm_rms_epsilon"));
  config.rotary_pairs =
      ops::RotaryPairs::interleaved;  // GGUF stores queries and keys reordered for it
  config.rotary_frequencies =
      rotary_frequencies(io::find_float(metadata, prefix + "rope.freq_base").value_or(10000.0),
                         size_or("rope.dimension_count", config.head_dim));
  const std::string* scaling = io::find_string(metadata, prefix + "rope.scaling.type");
  if (scaling != nullptr && *scaling == "linear") {
    const double factor = io::get_float(metadata, prefix + "rope.scaling.factor");
    for (float& frequency : config.rotary_frequencies) frequency /= static_cast<float>(factor);
  } else if (scaling != nullptr && *scaling != "none") {
    fail(ErrorCode::unsupported, "model: rotary scaling \"{}\"; known: linear, none", *scaling);
  }
  if (source.weights.contains("rope_freqs.weight")) {
    const auto pairs = static_cast<std::int64_t>(config.rotary_frequencies.size());
    const Tensor divisors =
        source.weights.view().get("rope_freqs.weight", {pairs}).tensor(DType::f32);
    for (std::size_t i = 0; i < config.rotary_frequencies.size(); ++i) {
      config.rotary_frequencies[i] /= divisors.data<float>()[i];
    }
  }
  return config;
}

void scale_rotary(ModelConfig& config, const io::JsonObject& scaling) {
  const std::string type = scaling.contains("rope_type")
                               ? scaling.get<std::string>("rope_type")
                               : scaling.get_or<std::string>("type", "default");
  if (type == "linear") {
    for (float& frequency : config.rotary_frequencies)
      frequency /= static_cast<float>(scaling.get<double>("factor"));
  } else if (type == "llama3") {
    scale_frequencies(
        config.rotary_frequencies,
        {.factor = scaling.get<double>("factor"),
         .low_freq_factor = scaling.get<double>("low_freq_factor"),
         .high_freq_factor = scaling.get<double>("high_freq_factor"),
         .original_context = scaling.get<double>("original_max_position_embeddings")});
  } else if (type != "default") {
    fail(ErrorCode::unsupported, "config.json: rope_type \"{}\"; known: default, linear, llama3",
         type);
  }
}

ModelConfig config_from_json(const ModelSource& source) {
  const io::JsonObject json(*source.config, "config.json");
  const auto activation = json.get_or<std::string>("hidden_act", "silu");
  if (activation != "silu") {
    fail(ErrorCode::unsupported, "config.json: \"hidden_act\" is \"{}\"; known: silu", activation);
  }
  ModelConfig config;
  config.vocab_size = json.get<std::int64_t>("vocab_size");
  config.dim = json.get<std::int64_t>("hidden_size");
  config.layers = json.get<std::int64_t>("num_hidden_layers");
  config.heads = json.get<std::int64_t>("num_attention_heads");
  config.kv_heads = json.get_or<std::int64_t>("num_key_value_heads", config.heads);
  config.head_dim =
      json.get_or<std::int64_t>("head_dim", config.heads > 0 ? config.dim / config.heads : 0);
  config.ffn_dim = json.get<std::int64_t>("intermediate_size");
  config.context_length = json.get<std::int64_t>("max_position_embeddings");
  config.window = json.get_or<std::int64_t>("sliding_window", 0);
  config.norm_epsilon = static_cast<float>(json.get_or<double>("rms_norm_eps", 1e-6));
  // Since version 5 transformers keeps all of this under "rope_parameters".
  const auto rope = json.find_object("rope_parameters");
  const double base = rope ? rope->get_or<double>("rope_theta", 10000.0)
                           : json.get_or<double>("rope_theta", 10000.0);
  config.rotary_frequencies = rotary_frequencies(base, config.head_dim);
  const auto scaling = rope ? rope : json.find_object("rope_scaling");
  if (scaling) scale_rotary(config, *scaling);
  return config;
}

// ---- Weight names ----

struct Names {
  const char *embedding, *layer, *norm, *output;
  const char *attention_norm, *query, *key, *value, *attention_output;
  const char *ffn_norm, *gate, *up, *down;
};

constexpr Names kGgufNames{
    .embedding = "token_embd",
    .layer = "blk",
    .norm = "output_norm",
    .output = "output",
    .attention_norm = "attn_norm",
    .query = "attn_q",
    .key = "attn_k",
    .value = "attn_v",
    .attention_output = "attn_output",
    .ffn_norm = "ffn_norm",
    .gate = "ffn_gate",
    .up = "ffn_up",
    .down = "ffn_down",
};

constexpr Names kHuggingFaceNames{
    .embedding = "model.embed_tokens",
    .layer = "model.layers",
    .norm = "model.norm",
    .output = "lm_head",
    .attention_norm = "input_layernorm",
    .query = "self_attn.q_proj",
    .key = "self_attn.k_proj",
    .value = "self_attn.v_proj",
    .attention_output = "self_attn.o_proj",
    .ffn_norm = "post_attention_layernorm",
    .gate = "mlp.gate_proj",
    .up = "mlp.up_proj",
    .down = "mlp.down_proj",
};

template <class Layer>
Layer loaded(Layer layer, const WeightsView& weights) {
  layer.load(weights);
  return layer;
}

Linear load_linear(const WeightsView& weights, std::int64_t in, std::int64_t out,
                   Accuracy accuracy) {
  return loaded(Linear(in, out, {.bias = weights.contains("bias"), .accuracy = accuracy}), weights);
}

// ---- Layers ----

struct Layer {
  RMSNorm attention_norm;
  Linear query, key, value, attention_output;
  RMSNorm ffn_norm;
  Linear gate, up, down;

  Layer(const ModelConfig& config, const WeightsView& weights, const Names& names,
        Accuracy accuracy)
      : attention_norm(
            loaded(RMSNorm(config.dim, config.norm_epsilon), weights[names.attention_norm])),
        query(load_linear(weights[names.query], config.dim, config.heads * config.head_dim,
                          accuracy)),
        key(load_linear(weights[names.key], config.dim, config.kv_heads * config.head_dim,
                        accuracy)),
        value(load_linear(weights[names.value], config.dim, config.kv_heads * config.head_dim,
                          accuracy)),
        attention_output(load_linear(weights[names.attention_output],
                                     config.heads * config.head_dim, config.dim, accuracy)),
        ffn_norm(loaded(RMSNorm(config.dim, config.norm_epsilon), weights[names.ffn_norm])),
        gate(load_linear(weights[names.gate], config.dim, config.ffn_dim, accuracy)),
        up(load_linear(weights[names.up], config.dim, config.ffn_dim, accuracy)),
        down(load_linear(weights[names.down], config.ffn_dim, config.dim, accuracy)) {}
};

// ---- Forward ----

class Llama final : public Decoder {
 public:
  Llama(const ModelConfig& config, const Weights& weights, const Names& names, Accuracy accuracy)
      : Decoder(config),
        embedding_(loaded(Embedding(config.vocab_size, config.dim), weights.view(names.embedding))),
        norm_(loaded(RMSNorm(config.dim, config.norm_epsilon), weights.view(names.norm))),
        output_(
            load_linear(weights.view(has_output(weights, names) ? names.output : names.embedding),
                        config.dim, config.vocab_size, accuracy)) {
    for (std::int64_t i = 0; i < config.layers; ++i) {
      layers_.emplace_back(config, weights.view(names.layer)[std::to_string(i)], names, accuracy);
    }
  }

  Tensor forward(const Batch& batch) const override {
    const ops::RotaryTable rotary(batch.positions(), config().rotary_frequencies);
    const auto count = static_cast<std::int64_t>(batch.tokens.size());
    Tensor x = embedding_(Tensor::borrow(std::span(batch.tokens), {count})).cast(DType::f32);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      x = attend(layer, static_cast<std::int64_t>(i), batch, rotary, x);
      const Tensor h = layer.ffn_norm(x);
      x = layer.down(ops::silu_mul(layer.gate(h), layer.up(h)), x);
    }
    const auto wanted = static_cast<std::int64_t>(batch.wanted.size());
    return output_(norm_(ops::gather(x, Tensor::borrow(std::span(batch.wanted), {wanted}))));
  }

 private:
  // Tied embeddings: the file has no output matrix of its own.
  static bool has_output(const Weights& weights, const Names& names) {
    return weights.contains(std::string(names.output) + ".weight");
  }

  Tensor attend(const Layer& layer, std::int64_t index, const Batch& batch,
                const ops::RotaryTable& rotary, const Tensor& x) const {
    const Tensor h = layer.attention_norm(x);
    Tensor q = layer.query(h);
    Tensor k = layer.key(h);
    const Tensor v = layer.value(h);
    rotary.rotate(q, config().head_dim, config().rotary_pairs);
    rotary.rotate(k, config().head_dim, config().rotary_pairs);
    const float scale = 1.f / std::sqrt(static_cast<float>(config().head_dim));
    const Tensor attended =
        cached_attention(batch, index, q, k, v, {.window = config().window, .scale = scale});
    return layer.attention_output(attended, x);
  }

  Embedding embedding_;
  std::vector<Layer> layers_;
  RMSNorm norm_;
  Linear output_;
};

std::unique_ptr<const Decoder> load(const ModelSource& source, Accuracy accuracy) {
  const ModelConfig config = source.gguf ? config_from_gguf(source) : config_from_json(source);
  check_config(config);
  return std::make_unique<Llama>(config, source.weights,
                                 source.gguf ? kGgufNames : kHuggingFaceNames, accuracy);
}

}  // namespace

Architecture llama() {
  return {"llama", {"llama", "LlamaForCausalLM", "MistralForCausalLM"}, load};
}

}  // namespace quern::llm
