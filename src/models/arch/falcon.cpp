#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Falcon (Almazrouei et al., 2023): LayerNorm, attention and a plain feed-forward layer side by
// side; one key head for all queries and one norm for both, or groups of queries and a norm for
// each. The oldest ones, with ALiBi, are refused.

namespace quern::models {
namespace {

constexpr const char* kFalconDefaults = R"({"layer_norm_epsilon": 1e-5, "activation": "gelu",
    "alibi": false, "new_decoder_architecture": false, "multi_query": true, "parallel_attn": true,
    "bias": false, "tie_word_embeddings": true, "max_position_embeddings": 2048})";
constexpr Setting kAlibi{"", {"alibi"}};
constexpr Setting kIsNew{"", {"new_decoder_architecture"}};
constexpr Setting kOneKeyHead{"", {"multi_query"}};
constexpr Setting kIsParallel{"", {"parallel_attn"}};
constexpr Setting kHasBias{"", {"bias"}};
constexpr Setting kKeyHeads{"", {"num_kv_heads"}};
constexpr Setting kNorms{"", {"num_ln_in_parallel_attn"}};
constexpr Setting kFfnSize{"", {"ffn_hidden_size"}};
constexpr Setting kFunction{"", {"activation"}};

void read_falcon_json(const Settings& settings, TransformerSettings& network) {
  const bool is_new = settings.flag_or(kIsNew, false);
  const std::int64_t heads = network.attention.heads;
  const bool shares_keys = settings.flag_or(kOneKeyHead, true);
  network.attention.kv_heads = is_new        ? settings.size_or(kKeyHeads, heads)
                               : shares_keys ? 1
                                             : heads;
  network.attention.order = QkvOrder::by_group;
  network.attention.bias = network.attention.output_bias = network.ffn.bias =
      settings.flag_or(kHasBias, false);
  network.is_parallel = is_new || settings.flag_or(kIsParallel, true);
  network.shares_norm = is_new ? settings.size_or(kNorms, 2) != 2 : network.is_parallel;
  network.ffn.size = settings.size_or(kFfnSize, 4 * network.hidden_size);
  network.ffn.activation = Activation::named(settings.text_or(kFunction, "gelu"));
}

std::unique_ptr<const Decoder> load_falcon(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kFalconDefaults);
  settings.expect_type("falcon");
  settings.expect(kAlibi, false);
  // GGUF calls the norm of the feed-forward layer that of attention where there are two.
  const bool has_two = source.gguf && source.weights.contains("blk.0.attn_norm_2.weight");
  const Tensors tensors(
      source, accuracy,
      {{.name = "attn_norm", .hugging_face = "", .gguf = has_two ? "attn_norm_2" : ""},
       {.name = "ffn_norm", .hugging_face = "", .gguf = has_two ? "attn_norm" : ""}});
  TransformerSettings network(settings, tensors, NormKind::layer);
  network.norm.bias = true;
  network.ffn.gated = false;
  if (settings.is_gguf()) {
    network.is_parallel = true;
    network.shares_norm = !has_two;
    network.ffn.activation = Activation::Kind::gelu;
  } else {
    read_falcon_json(settings, network);
  }
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture falcon() { return {"falcon", {"falcon", "FalconForCausalLM"}, load_falcon}; }

}  // namespace quern::models
