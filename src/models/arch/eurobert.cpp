#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// EuroBERT (Boizard et al., 2025): an encoder of RMSNorm, grouped-query attention with rotary
// positions, and SwiGLU.

namespace quern::models {
namespace {

std::unique_ptr<const Encoder> load_eurobert(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, R"({"rms_norm_eps": 1e-5})");
  settings.expect_type("eurobert");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms, RopeFamily{.base = 250000});
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.ffn.bias = settings.bias(setting::mlp_bias);
  return std::make_unique<TransformerEncoder>(network, tensors);
}

}  // namespace

Architecture eurobert() {
  return {"eurobert", {"eurobert", "EuroBertModel"}, nullptr, load_eurobert};
}

}  // namespace quern::models
