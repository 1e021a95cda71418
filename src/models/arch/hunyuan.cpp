#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Hunyuan (Tencent, 2025), the dense ones: heads normed after their rotation, whose base may be
// stretched by a factor alpha.

namespace quern::models {
namespace {

std::unique_ptr<const Decoder> load_hunyuan(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, R"({"rms_norm_eps": 1e-5})");
  settings.expect_type("hunyuan_v1_dense");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms, RopeFamily{.has_alpha = true});
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.attention.qk_norm = QkNorm::head;
  network.attention.qk_norm_settings = network.norm;
  network.attention.norms_rotated = true;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture hunyuan() {
  return {"hunyuan", {"hunyuan-dense", "HunYuanDenseV1ForCausalLM"}, load_hunyuan};
}

}  // namespace quern::models
