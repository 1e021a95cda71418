#include "core/error.h"
#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// EXAONE 4 (LG, 2025): norms after attention and feed-forward, normed heads; where it has windows,
// layers that see all have no positions.

namespace quern::models {
namespace {

constexpr const char* kExaoneDefaults = R"({"rms_norm_eps": 1e-5, "num_key_value_heads": 32,
    "sliding_window": 4096, "sliding_window_pattern": 4})";

std::vector<std::int64_t> exaone_windows(const Settings& settings, std::int64_t layers,
                                         std::int64_t window) {
  if (const auto typed = windows_by_type(settings, layers, window)) return *typed;
  if (!settings.is_gguf() && settings.json().json().at("sliding_window_pattern").is_string()) {
    fail(ErrorCode::unsupported, "config.json: \"sliding_window_pattern\" is a text");
  }
  return windows_by_period(layers, window, settings.size_or(setting::window_pattern, 4));
}

std::unique_ptr<const Decoder> load_exaone4(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kExaoneDefaults);
  settings.expect_type("exaone4");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms);
  network.places = NormPlaces::after;
  network.attention.qk_norm = QkNorm::head;
  network.attention.qk_norm_settings = network.norm;
  const std::int64_t window = settings.size_or(setting::window, 0);
  if (window > 0) {
    network.windows = exaone_windows(settings, network.layers, window);
    for (const std::int64_t each : network.windows)
      network.rotary_of_layers.push_back(each > 0 ? std::optional<std::size_t>(0) : std::nullopt);
  }
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture exaone4() { return {"exaone4", {"exaone4", "Exaone4ForCausalLM"}, load_exaone4}; }

}  // namespace quern::models
