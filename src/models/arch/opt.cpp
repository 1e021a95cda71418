#include "core/error.h"
#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// OPT (Zhang et al., 2022): LayerNorm, learned positions after two rows of others, ReLU.

namespace quern::models {
namespace {

constexpr const char* kOptDefaults = R"({"layer_norm_eps": 1e-5, "activation_function": "relu",
    "tie_word_embeddings": true})";
constexpr Setting kNormsBefore{"", {"do_layer_norm_before"}};
constexpr Setting kLacksFinalNorm{"", {"_remove_final_layer_norm"}};
constexpr Setting kBiases{"", {"enable_bias"}};
constexpr Setting kNormWeights{"", {"layer_norm_elementwise_affine"}};
constexpr Setting kEmbeddingSize{"", {"word_embed_proj_dim"}};

std::unique_ptr<const Decoder> load_opt(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kOptDefaults);
  settings.expect_type("opt");
  settings.expect(kNormsBefore, true);
  settings.expect(kLacksFinalNorm, false);
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::layer, std::nullopt);
  if (const std::int64_t size = settings.size_or(kEmbeddingSize, network.hidden_size);
      size != network.hidden_size) {
    fail(ErrorCode::unsupported, "config.json: \"word_embed_proj_dim\" is {}; known: hidden_size",
         size);
  }
  network.norm.has_weight = settings.flag_or(kNormWeights, true);
  network.norm.bias = network.norm.has_weight;
  network.position_rows_before = 2;
  network.attention.bias = network.attention.output_bias = network.ffn.bias =
      settings.flag_or(kBiases, true);
  network.ffn.gated = false;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture opt() { return {"opt", {"OPTForCausalLM"}, load_opt}; }

}  // namespace quern::models
