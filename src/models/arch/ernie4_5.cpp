#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// ERNIE 4.5 (Baidu, 2025), the dense ones: neighbouring pairs rotated, biases everywhere or
// nowhere.

namespace quern::models {
namespace {

constexpr const char* kErnieDefaults = R"({"rms_norm_eps": 1e-5, "num_key_value_heads": 2,
    "head_dim": 128, "tie_word_embeddings": true})";

std::unique_ptr<const Decoder> load_ernie(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kErnieDefaults);
  settings.expect_type("ernie4_5");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms,
                              RopeFamily{.pairs = ops::RotaryPairs::interleaved, .base = 500000});
  network.attention.bias = network.attention.output_bias = settings.bias(setting::use_bias);
  network.ffn.bias = network.attention.bias;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture ernie4_5() { return {"ernie4_5", {"ernie4_5", "Ernie4_5ForCausalLM"}, load_ernie}; }

}  // namespace quern::models
