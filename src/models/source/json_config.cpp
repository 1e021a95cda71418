#include "core/error.h"
#include "core/format.h"
#include "models/source/source_config.h"

namespace quern::models {
namespace {

/// Weights that stand for others under scales of their own would be read as what they are not.
void refuse_quantised(const io::JsonObject& json) {
  for (const char* name : {"quantization_config", "compression_config"}) {
    if (!json.contains(name)) continue;
    const auto quantised = json.find_object(name);
    const auto method = quantised->get_or<std::string>("quant_method", "unnamed");
    fail(ErrorCode::unsupported,
         "config.json: \"{}\" says that the weights are quantised by \"{}\", which is not "
         "supported; "
         "known are dense weights, and GGUF's types",
         name, method);
  }
}

/// Of the newer name, "rope_parameters", and the older, which goes first.
std::optional<io::JsonObject> rope_settings(const io::JsonObject& json) {
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    const auto rope = json.find_object(name);
    if (rope && !rope->json().empty()) return rope;
  }
  return std::nullopt;
}

double setting_of(const io::JsonObject& json, const std::optional<io::JsonObject>& rope,
                  std::string_view name, double fallback) {
  const double outside = json.get_or<double>(name, fallback);
  return rope ? rope->get_or<double>(name, outside) : outside;
}

void scale_by_rope(ModelConfig& config, const io::JsonObject& json, const io::JsonObject& rope) {
  const auto type =
      rope.get_or<std::string>("rope_type", rope.get_or<std::string>("type", "default"));
  if (type == "default") return;
  if (type != "linear" && type != "llama3") {
    fail(ErrorCode::unsupported, "config.json: rope_type \"{}\"; known: default, linear, llama3",
         type);
  }
  const double share = setting_of(json, rope, "partial_rotary_factor", 1.0);
  if (share != 1.0) {
    fail(ErrorCode::unsupported, "config.json: partial_rotary_factor {} with rope_type \"{}\"",
         share, type);
  }
  const auto factor = rope.get<double>("factor");
  if (type == "linear") return slow_frequencies(config.rotary_frequencies, factor);
  const double context = rope.get_or<double>("original_max_position_embeddings",
                                             static_cast<double>(config.context_length));
  scale_frequencies(
      config.rotary_frequencies,
      {.factor = factor,
       .low_freq_factor = rope.get<double>("low_freq_factor"),
       .high_freq_factor = rope.get<double>("high_freq_factor"),
       .original_context = json.get_or<double>("original_max_position_embeddings", context)});
}

/// Whether "layer_types" says that all layers have a window, or that none has.
bool all_slide(const io::JsonObject& json) {
  if (!json.contains("layer_types")) return true;
  std::optional<std::string> type;
  for (const io::Json& item : json.array("layer_types")) {
    const std::string one = item.is_string() ? item.get<std::string>() : item.dump();
    const bool known = one == "full_attention" || one == "sliding_attention";
    if (!known || type.value_or(one) != one) {
      fail(ErrorCode::unsupported,
           "config.json: \"layer_types\" has \"{}\"; known: all \"full_attention\", or all "
           "\"sliding_attention\"",
           one);
    }
    type = one;
  }
  return type != "full_attention";
}

/// "sliding_window": absent is not what null is.
std::int64_t read_window(const io::JsonObject& json, const JsonDefaults& defaults) {
  if (!defaults.has_window || !all_slide(json)) return 0;
  if (!json.json().contains("sliding_window")) return defaults.window;
  return json.get_or<std::int64_t>("sliding_window", 0);
}

std::int64_t read_kv_heads(const io::JsonObject& json, const JsonDefaults& defaults,
                           std::int64_t heads) {
  const bool there = json.json().contains("num_key_value_heads");
  return json.get_or<std::int64_t>("num_key_value_heads",
                                   there ? heads : defaults.kv_heads.value_or(heads));
}

}  // namespace

ModelConfig read_json_config(const ModelSource& source, const JsonDefaults& defaults) {
  const io::JsonObject json(*source.config, "config.json");
  refuse_quantised(json);
  const auto activation = json.get_or<std::string>("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") {
    fail(ErrorCode::unsupported, "config.json: \"hidden_act\" is \"{}\"; known: silu", activation);
  }
  ModelConfig config;
  config.vocab_size = json.get<std::int64_t>("vocab_size");
  config.dim = json.get<std::int64_t>("hidden_size");
  config.layers = json.get<std::int64_t>("num_hidden_layers");
  config.heads = json.get<std::int64_t>("num_attention_heads");
  config.kv_heads = read_kv_heads(json, defaults, config.heads);
  config.head_dim =
      json.get_or<std::int64_t>("head_dim", config.heads > 0 ? config.dim / config.heads : 0);
  config.ffn_dim = json.get<std::int64_t>("intermediate_size");
  config.context_length = json.get<std::int64_t>("max_position_embeddings");
  config.window = read_window(json, defaults);
  config.norm_epsilon = static_cast<float>(json.get_or<double>("rms_norm_eps", 1e-6));
  config.attention_bias = defaults.has_bias && json.get_or<bool>("attention_bias", false);
  config.ffn_bias = defaults.has_bias && json.get_or<bool>("mlp_bias", false);
  config.tied_output = json.get_or<bool>("tie_word_embeddings", false);
  const auto rope = rope_settings(json);
  config.rotary_frequencies =
      rotary_frequencies(setting_of(json, rope, "rope_theta", 10000.0), config.head_dim);
  if (rope) scale_by_rope(config, json, *rope);
  return config;
}

}  // namespace quern::models
