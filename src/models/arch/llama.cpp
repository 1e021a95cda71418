#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/format.h"
#include "models/arch/architecture.h"
#include "models/parts/cached_attention.h"
#include "models/source/source_config.h"
#include "models/source/unread_weights.h"
#include "ops/rotary.h"
#include "quern/layers.h"

// The Llama family (Touvron et al., 2023) and those built alike, Mistral among them: RMSNorm,
// grouped-query attention with rotary positions, SwiGLU.

namespace quern::models {
namespace {

// ---- Configuration ----

ModelConfig read_config(const ModelSource& source) {
  if (source.gguf) return read_gguf_config(source);
  const bool is_mistral = source.architecture() == "MistralForCausalLM";
  const auto type = io::JsonObject(*source.config, "config.json").find<std::string>("model_type");
  const std::string_view expected = is_mistral ? "mistral" : "llama";
  if (type && *type != expected) {
    fail(ErrorCode::unsupported, "config.json: \"model_type\" is \"{}\", that of {} is \"{}\"",
         *type, source.architecture(), expected);
  }
  if (!is_mistral) return read_json_config(source, {.has_bias = true});
  return read_json_config(source, {.has_window = true, .window = 4096, .kv_heads = 8});
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

/// `bias`: whether it has one; none: where the file has it.
Linear load_linear(const WeightsView& weights, std::int64_t in, std::int64_t out,
                   std::optional<bool> bias, Accuracy accuracy) {
  const bool has_bias = bias.value_or(weights.contains("bias"));
  return loaded(Linear(in, out, {.bias = has_bias, .accuracy = accuracy}), weights);
}

/// Those of the `layers` first layers, and of what is around them, that a file may have.
std::set<std::string, std::less<>> weight_names(const ModelConfig& config, std::int64_t layers,
                                                const Names& names, bool is_gguf) {
  std::set<std::string, std::less<>> all;
  const auto add = [&](const std::string& name, std::optional<bool> bias) {
    all.insert(name + ".weight");
    if (bias.value_or(is_gguf)) all.insert(name + ".bias");
  };
  if (is_gguf) all.insert("rope_freqs.weight");
  for (const char* name : {names.embedding, names.norm, names.output}) add(name, false);
  for (std::int64_t i = 0; i < layers; ++i) {
    const std::string layer = std::string(names.layer) + "." + std::to_string(i) + ".";
    for (const char* name : {names.attention_norm, names.ffn_norm}) add(layer + name, false);
    for (const char* name : {names.query, names.key, names.value, names.attention_output})
      add(layer + name, config.attention_bias);
    for (const char* name : {names.gate, names.up, names.down}) add(layer + name, config.ffn_bias);
  }
  return all;
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
                          config.attention_bias, accuracy)),
        key(load_linear(weights[names.key], config.dim, config.kv_heads * config.head_dim,
                        config.attention_bias, accuracy)),
        value(load_linear(weights[names.value], config.dim, config.kv_heads * config.head_dim,
                          config.attention_bias, accuracy)),
        attention_output(load_linear(weights[names.attention_output],
                                     config.heads * config.head_dim, config.dim,
                                     config.attention_bias, accuracy)),
        ffn_norm(loaded(RMSNorm(config.dim, config.norm_epsilon), weights[names.ffn_norm])),
        gate(load_linear(weights[names.gate], config.dim, config.ffn_dim, config.ffn_bias,
                         accuracy)),
        up(load_linear(weights[names.up], config.dim, config.ffn_dim, config.ffn_bias, accuracy)),
        down(load_linear(weights[names.down], config.ffn_dim, config.dim, config.ffn_bias,
                         accuracy)) {}
};

// ---- Forward ----

class Llama final : public Decoder {
 public:
  Llama(const ModelConfig& config, const Weights& weights, const Names& names, Accuracy accuracy)
      : Decoder(config),
        embedding_(loaded(Embedding(config.vocab_size, config.dim), weights.view(names.embedding))),
        norm_(loaded(RMSNorm(config.dim, config.norm_epsilon), weights.view(names.norm))),
        output_(load_linear(
            weights.view(is_tied(config, weights, names) ? names.embedding : names.output),
            config.dim, config.vocab_size, false, accuracy)) {
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
      const Tensor gate = layer.gate(h);
      batch.checkpoint();
      const Tensor up = layer.up(h);
      batch.checkpoint();
      x = layer.down(ops::silu_mul(gate, up), x);
      batch.checkpoint();
    }
    const auto wanted = static_cast<std::int64_t>(batch.wanted.size());
    return output_(norm_(ops::gather(x, Tensor::borrow(std::span(batch.wanted), {wanted}))));
  }

 private:
  // Tied embeddings: the file has no output matrix of its own, and need not have one.
  static bool is_tied(const ModelConfig& config, const Weights& weights, const Names& names) {
    return config.tied_output.value_or(true) &&
           !weights.contains(std::string(names.output) + ".weight");
  }

  Tensor attend(const Layer& layer, std::int64_t index, const Batch& batch,
                const ops::RotaryTable& rotary, const Tensor& x) const {
    const Tensor h = layer.attention_norm(x);
    Tensor q = layer.query(h);
    Tensor k = layer.key(h);
    const Tensor v = layer.value(h);
    batch.checkpoint();
    rotary.rotate(q, config().head_dim, config().rotary_pairs);
    rotary.rotate(k, config().head_dim, config().rotary_pairs);
    const float scale = 1.f / std::sqrt(static_cast<float>(config().head_dim));
    const Tensor attended =
        cached_attention(batch, index, q, k, v, {.window = config().window, .scale = scale});
    batch.checkpoint();
    const Tensor output = layer.attention_output(attended, x);
    batch.checkpoint();
    return output;
  }

  Embedding embedding_;
  std::vector<Layer> layers_;
  RMSNorm norm_;
  Linear output_;
};

std::unique_ptr<const Decoder> load(const ModelSource& source, Accuracy accuracy) {
  const ModelConfig config = read_config(source);
  check_config(config);
  const bool is_gguf = source.gguf.has_value();
  const Names& names = is_gguf ? kGgufNames : kHuggingFaceNames;
  // A configuration may speak of more layers than a file can have.
  const auto layers = std::min(config.layers, static_cast<std::int64_t>(source.weights.size()));
  refuse_unread(source.weights, weight_names(config, layers, names, is_gguf), is_gguf);
  return std::make_unique<Llama>(config, source.weights, names, accuracy);
}

}  // namespace

Architecture llama() {
  return {"llama", {"llama", "LlamaForCausalLM", "MistralForCausalLM"}, load};
}

}  // namespace quern::models
