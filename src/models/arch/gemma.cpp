#include <cmath>

#include "core/error.h"
#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Gemma (Mesnard et al., 2024): embeddings times sqrt(hidden_size), weights of norms beyond 1,
// GELU. Gemma 2: norms before and after, soft caps, every other layer with a window. VaultGemma:
// that without the norms after. Gemma 3: normed queries and keys instead of caps, five layers with
// a window and rotary positions of their own to one that sees all.

namespace quern::models {
namespace {

constexpr const char* kGemmaDefaults = R"({"rms_norm_eps": 1e-6, "num_key_value_heads": 16,
    "head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": true})";
constexpr const char* kGemma2Defaults = R"({"rms_norm_eps": 1e-6, "num_key_value_heads": 4,
    "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": true,
    "query_pre_attn_scalar": 256, "sliding_window": 4096, "final_logit_softcapping": 30.0,
    "attn_logit_softcapping": 50.0})";
constexpr const char* kGemma3Defaults = R"({"rms_norm_eps": 1e-6, "num_key_value_heads": 4,
    "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": true,
    "query_pre_attn_scalar": 256, "sliding_window": 4096})";

// The first goes by one, the later ones by the other, though files may have both.
constexpr Setting kFirstActivation{"", {"hidden_act"}};
constexpr Setting kLaterActivation{"", {"hidden_activation"}};

/// What all of them have.
TransformerSettings gemma_network(const Settings& settings, const Tensors& tensors,
                                  const Setting& activation = kLaterActivation,
                                  const RopeFamily& rope = {}) {
  settings.expect(setting::bidirectional, false);
  TransformerSettings network(settings, tensors, NormKind::rms, rope);
  network.norm.offset = settings.is_gguf() ? 0.f : 1.f;
  network.embedding_scale = std::sqrt(static_cast<float>(network.hidden_size));
  network.ffn.activation =
      settings.is_gguf() ? Activation(Activation::Kind::gelu_tanh)
                         : Activation::named(settings.text_or(activation, "gelu_pytorch_tanh"));
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  return network;
}

float scale_of(double scalar) {
  if (!(scalar > 0)) fail(ErrorCode::corrupt_file, "model: query_pre_attn_scalar is {}", scalar);
  return static_cast<float>(1 / std::sqrt(scalar));
}

/// 1 / sqrt(query_pre_attn_scalar); GGUF has none, and `scalar` is what llama.cpp takes.
void scale_queries(TransformerSettings& network, const Settings& settings, std::int64_t scalar) {
  network.attention.scale =
      scale_of(settings.number_or(setting::query_scalar, static_cast<double>(scalar)));
}

std::unique_ptr<const Decoder> load_gemma(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kGemmaDefaults);
  settings.expect_type("gemma");
  const Tensors tensors(source, accuracy);
  TransformerSettings network = gemma_network(settings, tensors, kFirstActivation);
  return std::make_unique<Transformer>(network, tensors);
}

/// Gemma 2's and VaultGemma's.
TransformerSettings capped_network(const Settings& settings, const Tensors& tensors) {
  TransformerSettings network = gemma_network(settings, tensors);
  const std::int64_t layers = network.layers;
  constexpr std::int64_t kLayersOf27B = 46;
  const bool is_27b = layers == kLayersOf27B;
  scale_queries(network, settings,
                is_27b && network.attention.heads > 0
                    ? network.hidden_size / network.attention.heads
                    : network.attention.head_dim);
  network.attention.softcap = static_cast<float>(settings.number_or(setting::attention_softcap, 0));
  network.logit_softcap = static_cast<float>(settings.number_or(setting::logit_softcap, 0));
  const std::int64_t window = settings.size_or(setting::window, settings.is_gguf() ? 4096 : 0);
  network.windows =
      windows_by_type(settings, layers, window).value_or(windows_by_period(layers, window, 2));
  return network;
}

std::unique_ptr<const Decoder> load_gemma2(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kGemma2Defaults);
  settings.expect_type("gemma2");
  const Tensors tensors(source, accuracy);
  TransformerSettings network = capped_network(settings, tensors);
  network.places = NormPlaces::both;
  return std::make_unique<Transformer>(network, tensors);
}

std::unique_ptr<const Decoder> load_vaultgemma(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kGemma2Defaults);
  settings.expect_type("vaultgemma");
  const Tensors tensors(source, accuracy);
  return std::make_unique<Transformer>(capped_network(settings, tensors), tensors);
}

std::unique_ptr<const Decoder> load_gemma3(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kGemma3Defaults);
  settings.expect_type("gemma3_text");
  const Tensors tensors(source, accuracy);
  TransformerSettings network = gemma_network(settings, tensors, kLaterActivation,
                                              {.base = 1e6, .layer_type = "full_attention"});
  const std::int64_t layers = network.layers;
  network.places = NormPlaces::both;
  network.attention.qk_norm = QkNorm::head;
  network.attention.qk_norm_settings = network.norm;
  constexpr std::int64_t kLayersOf27B = 62;
  scale_queries(network, settings,
                layers == kLayersOf27B ? network.hidden_size / network.attention.heads
                                       : network.attention.head_dim);
  network.attention.softcap = static_cast<float>(settings.number_or(setting::attention_softcap, 0));
  network.logit_softcap = static_cast<float>(settings.number_or(setting::logit_softcap, 0));
  const std::int64_t window = settings.size_or(setting::window, 0);
  network.windows = windows_by_type(settings, layers, window)
                        .value_or(windows_by_period(layers, window,
                                                    settings.size_or(setting::window_pattern, 6)));
  // Those with a window have rotary positions of their own, unscaled.
  RopeSettings local{.base = settings.number_or(setting::rope_base_local, 10000),
                     .dim = network.ropes.front().dim};
  if (!settings.is_gguf() && settings.json().contains("rope_parameters")) {
    local = read_rope(settings, tensors,
                      {.head_dim = network.attention.head_dim,
                       .context_length = network.context_length,
                       .base = local.base,
                       .layer_type = "sliding_attention"});
  }
  network.ropes.push_back(local);
  for (const std::int64_t each : network.windows)
    network.rotary_of_layers.emplace_back(each > 0 ? 1 : 0);
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture gemma() { return {"gemma", {"gemma", "GemmaForCausalLM"}, load_gemma}; }

Architecture gemma2() { return {"gemma2", {"gemma2", "Gemma2ForCausalLM"}, load_gemma2}; }

Architecture vaultgemma() { return {"vaultgemma", {"VaultGemmaForCausalLM"}, load_vaultgemma}; }

Architecture gemma3() { return {"gemma3", {"gemma3", "Gemma3ForCausalLM"}, load_gemma3}; }

}  // namespace quern::models
