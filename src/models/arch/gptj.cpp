#include "core/error.h"
#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// GPT-J (Wang and Komatsuzaki, 2021) and CodeGen (Nijkamp et al., 2022): attention and a plain
// feed-forward layer read one LayerNorm; neighbouring pairs of a part of each head rotated; the
// latter's queries, values and keys lie in four blocks.

namespace quern::models {
namespace {

constexpr const char* kGptjDefaults = R"({"layer_norm_epsilon": 1e-5, "rotary_dim": 64,
    "activation_function": "gelu_new"})";
constexpr Setting kRotaryDim{"", {"rotary_dim"}};
constexpr Setting kEmbedding{"", {"n_embd"}};
constexpr Setting kHeads{"", {"n_head"}};

std::unique_ptr<const Decoder> load_gptj(const ModelSource& source, Accuracy accuracy) {
  const bool is_codegen = source.architecture() == "CodeGenForCausalLM";
  const Settings settings(source, kGptjDefaults);
  settings.expect_type(is_codegen ? "codegen" : "gptj");
  const Tensors tensors(source, accuracy);
  const std::int64_t heads = settings.size(kHeads);
  if (heads <= 0) fail(ErrorCode::corrupt_file, "model: heads is {}, expected 1 or more", heads);
  const auto head_dim = static_cast<double>(settings.size(kEmbedding) / heads);
  const auto rotated =
      static_cast<double>(settings.size_or(kRotaryDim, settings.size(kEmbedding) / heads));
  TransformerSettings network(
      settings, tensors, NormKind::layer,
      RopeFamily{.pairs = ops::RotaryPairs::interleaved, .share = rotated / head_dim});
  network.norm.bias = true;
  network.is_parallel = network.shares_norm = true;
  network.attention.bias = network.attention.output_bias = false;
  if (is_codegen) network.attention.order = QkvOrder::quarters;
  network.ffn.bias = network.output_bias = true;
  network.ffn.gated = false;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture gptj() { return {"gptj", {"GPTJForCausalLM", "CodeGenForCausalLM"}, load_gptj}; }

}  // namespace quern::models
