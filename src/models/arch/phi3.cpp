#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Phi3 and Phi4-mini (Abdin et al., 2024): queries, keys and values in one tensor, gate and up in
// another; longrope, over a part of each head in the latter.

namespace quern::models {
namespace {

constexpr const char* kPhi3Defaults =
    R"({"rms_norm_eps": 1e-5, "original_max_position_embeddings": 4096})";

std::unique_ptr<const Decoder> load_phi3(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kPhi3Defaults);
  settings.expect_type("phi3");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms, RopeFamily{.share = 1.0});
  network.attention.bias = network.attention.output_bias = settings.bias(false);
  network.ffn.bias = settings.bias(false);
  network.windows.assign(static_cast<std::size_t>(network.layers),
                         settings.size_or(setting::window, 0));
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture phi3() { return {"phi3", {"phi3", "Phi3ForCausalLM"}, load_phi3}; }

}  // namespace quern::models
