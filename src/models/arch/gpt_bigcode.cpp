#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// SantaCoder and StarCoder (Li et al., 2023): as the second GPT, with one key head for all queries,
// or one for each, which then lie by head.

namespace quern::models {
namespace {

constexpr const char* kBigCodeDefaults = R"({"layer_norm_epsilon": 1e-5, "multi_query": true,
    "activation_function": "gelu_pytorch_tanh", "tie_word_embeddings": true})";
constexpr Setting kMultiQuery{"", {"multi_query"}};
constexpr Setting kScalesScores{"", {"scale_attn_weights"}};
constexpr Setting kCrossAttention{"", {"add_cross_attention"}};

std::unique_ptr<const Decoder> load_bigcode(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kBigCodeDefaults);
  settings.expect_type("gpt_bigcode");
  settings.expect(kCrossAttention, false);
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::layer, std::nullopt);
  network.norm.bias = true;
  network.position_rows_before = 0;
  if (!settings.is_gguf()) {
    const bool shares_keys = settings.flag_or(kMultiQuery, true);
    network.attention.kv_heads = shares_keys ? 1 : network.attention.heads;
    if (!shares_keys) network.attention.order = QkvOrder::by_group;
  }
  if (!settings.flag_or(kScalesScores, true)) network.attention.scale = 1.f;
  network.attention.bias = network.attention.output_bias = network.ffn.bias = true;
  network.ffn.gated = false;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture gpt_bigcode() {
  return {"gpt_bigcode", {"starcoder", "GPTBigCodeForCausalLM"}, load_bigcode};
}

}  // namespace quern::models
