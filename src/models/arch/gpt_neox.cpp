#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// GPT-NeoX (Black et al., 2022) and Pythia: attention and a plain feed-forward layer side by side,
// each with its LayerNorm; a quarter of each head rotated.

namespace quern::models {
namespace {

constexpr const char* kNeoxDefaults = R"({"layer_norm_eps": 1e-5, "hidden_act": "gelu"})";

std::unique_ptr<const Decoder> load_neox(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kNeoxDefaults);
  settings.expect_type("gpt_neox");
  const Tensors tensors(source, accuracy,
                        {{.name = "token_embd", .hugging_face = "gpt_neox.embed_in"},
                         {.name = "output_norm", .hugging_face = "gpt_neox.final_layer_norm"},
                         {.name = "blk", .hugging_face = "gpt_neox.layers"}});
  TransformerSettings network(settings, tensors, NormKind::layer, RopeFamily{.share = 0.25});
  network.norm.bias = true;
  network.is_parallel = settings.flag_or(setting::parallel, true);
  if (!settings.is_gguf()) network.attention.order = QkvOrder::by_group;
  network.attention.bias = network.attention.output_bias =
      settings.bias(setting::attention_bias, true);
  network.ffn.bias = true;
  network.ffn.gated = false;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture gpt_neox() { return {"gpt_neox", {"gptneox", "GPTNeoXForCausalLM"}, load_neox}; }

}  // namespace quern::models
