#include <cmath>

#include "core/error.h"
#include "io/gguf_metadata.h"
#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Apertus (Swiss AI, 2025): a plain feed-forward layer with xIELU, whose numbers each layer has of
// its own; normed heads.

namespace quern::models {
namespace {

constexpr const char* kApertusDefaults = R"({"rms_norm_eps": 1e-5, "hidden_act": "xielu"})";

float only_value(const Tensors& layer, const char* part) {
  const Weight& weight = layer.get("ffn_act", part);
  if (weight.shape().numel() != 1)
    fail(ErrorCode::corrupt_file, "model: \"{}\" has {} values, expected 1", part,
         weight.shape().numel());
  return weight.tensor(DType::f32).data<float>()[0];
}

float softplus(float x) { return x > 20.f ? x : std::log1p(std::exp(x)); }

/// Of GGUF: one for each layer.
float listed(const Settings& settings, const char* name, std::int64_t layer) {
  const auto* each = io::find_floats(*settings.gguf(), name);
  if (each == nullptr) return static_cast<float>(io::get_float(*settings.gguf(), name));
  if (layer >= std::ssize(*each))
    fail(ErrorCode::corrupt_file, "gguf: \"{}\" has {} values, none for layer {}", name,
         each->size(), layer);
  return static_cast<float>((*each)[static_cast<std::size_t>(layer)]);
}

Activation xielu_of(const Settings& settings, const Tensors& layer, std::int64_t index) {
  const bool is_gguf = settings.is_gguf();
  const auto number = [&](const char* key, const char* part) {
    return is_gguf ? listed(settings, key, index) : only_value(layer, part);
  };
  const float beta = number("xielu.beta", "beta");
  return Activation::xielu(softplus(number("xielu.alpha_p", "alpha_p")),
                           beta + softplus(number("xielu.alpha_n", "alpha_n")), beta,
                           number("xielu.eps", "eps"));
}

std::unique_ptr<const Decoder> load_apertus(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kApertusDefaults);
  settings.expect_type("apertus");
  const Tensors tensors(source, accuracy, {{.name = "ffn_act", .hugging_face = "mlp.act_fn"}});
  TransformerSettings network(settings, tensors, NormKind::rms, RopeFamily{.base = 12e6});
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.attention.qk_norm = QkNorm::head;
  network.attention.qk_norm_settings = network.norm;
  network.ffn.gated = false;
  std::vector<Block> blocks;
  for (std::int64_t i = 0; i < network.layers; ++i) {
    network.ffn.activation = xielu_of(settings, tensors.layer(i), i);
    blocks.push_back(network.block(tensors.layer(i), i));
  }
  return std::make_unique<Transformer>(network, tensors, std::move(blocks));
}

}  // namespace

Architecture apertus() { return {"apertus", {"apertus", "ApertusForCausalLM"}, load_apertus}; }

}  // namespace quern::models
