#include <cmath>
#include <map>

#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// GPT-2 (Radford et al., 2019): LayerNorm, learned positions, GELU, biases everywhere; its files
// outside GGUF hold weights transposed.

namespace quern::models {
namespace {

constexpr const char* kGpt2Defaults = R"({"layer_norm_epsilon": 1e-5,
    "activation_function": "gelu_new", "tie_word_embeddings": true})";
constexpr Setting kScales{"", {"scale_attn_weights"}};
constexpr Setting kByLayer{"", {"scale_attn_by_inverse_layer_idx"}};
constexpr Setting kCrosses{"", {"add_cross_attention"}};

ModelSource with_rows(const ModelSource& source) {
  if (source.gguf) return source;
  ModelSource turned = source;
  std::map<std::string, Weight> weights;
  for (const std::string& name : source.weights.names()) {
    const Weight& weight = source.weights.get(name);
    const bool is_product = name.ends_with("c_attn.weight") || name.ends_with("c_proj.weight") ||
                            name.ends_with("c_fc.weight");
    weights.emplace(name, is_product && weight.shape().rank() == 2
                              ? Weight(weight.tensor().transpose(0, 1).contiguous())
                              : weight);
  }
  turned.weights = Weights(std::move(weights));
  return turned;
}

std::unique_ptr<const Decoder> load_gpt2(const ModelSource& files, Accuracy accuracy) {
  const ModelSource source = with_rows(files);
  const Settings settings(source, kGpt2Defaults);
  settings.expect_type("gpt2");
  settings.expect(kCrosses, false);
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::layer, std::nullopt);
  network.norm.bias = true;
  network.position_rows_before = 0;
  network.attention.bias = network.attention.output_bias = network.ffn.bias = true;
  network.ffn.gated = false;
  const float scale = settings.flag_or(kScales, true)
                          ? 1.f / std::sqrt(static_cast<float>(network.attention.head_dim))
                          : 1.f;
  const bool by_layer = settings.flag_or(kByLayer, false);
  std::vector<Block> blocks;
  for (std::int64_t i = 0; i < network.layers; ++i) {
    network.attention.scale = by_layer ? scale / static_cast<float>(i + 1) : scale;
    blocks.push_back(network.block(tensors.layer(i), i));
  }
  return std::make_unique<Transformer>(network, tensors, std::move(blocks));
}

}  // namespace

Architecture gpt2() { return {"gpt2", {"gpt2", "GPT2LMHeadModel"}, load_gpt2}; }

}  // namespace quern::models
