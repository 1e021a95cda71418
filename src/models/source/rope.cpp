#include "models/source/rope.h"

#include <cmath>

#include "core/error.h"
#include "core/format.h"
#include "io/gguf_metadata.h"

namespace quern::models {
namespace {

using ScalingNames = std::pair<std::string_view, RopeScaling>;
constexpr ScalingNames kScalings[] = {
    {"none", RopeScaling::none},         {"default", RopeScaling::none},
    {"linear", RopeScaling::linear},     {"dynamic", RopeScaling::dynamic},
    {"llama3", RopeScaling::llama3},     {"yarn", RopeScaling::yarn},
    {"longrope", RopeScaling::longrope}, {"su", RopeScaling::longrope},
};

RopeScaling scaling_named(std::string_view name, std::string_view where) {
  std::string known;
  for (const auto& [other, scaling] : kScalings) {
    if (other == name) return scaling;
    known += (known.empty() ? "" : ", ") + std::string(other);
  }
  fail(ErrorCode::unsupported, "{}: rotary scaling \"{}\"; known: {}", where, name, known);
}

// ---- config.json ----

/// Of the older name, "rope_scaling", which goes first, and the newer, "rope_parameters"; of the
/// latter, the part for one type of layers where it has such parts.
std::optional<io::JsonObject> rope_object(const io::JsonObject& json, std::string_view layer_type) {
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    const auto rope = json.find_object(name);
    if (!rope || rope->json().empty()) continue;
    if (layer_type.empty() || !rope->contains(layer_type)) return rope;
    return rope->object(layer_type);
  }
  return std::nullopt;
}

double within_or_beside(const io::JsonObject& json, const std::optional<io::JsonObject>& rope,
                        std::initializer_list<std::string_view> names, double fallback) {
  for (const std::string_view name : names) {
    if (rope && rope->contains(name)) return rope->get<double>(name);
  }
  for (const std::string_view name : names) {
    if (json.contains(name)) return json.get<double>(name);
  }
  return fallback;
}

std::vector<float> divisors_of(const io::JsonObject& rope, std::string_view name) {
  const auto values = rope.get<std::vector<double>>(name);
  return {values.begin(), values.end()};
}

void read_scaling(const io::JsonObject& json, const io::JsonObject& rope, const RopeFamily& family,
                  RopeSettings& settings) {
  const auto context_length = static_cast<double>(family.context_length);
  const auto type =
      rope.get_or<std::string>("rope_type", rope.get_or<std::string>("type", "default"));
  settings.scaling = scaling_named(type, "config.json");
  if (settings.scaling == RopeScaling::none) return;
  if (const double alpha = rope.get_or<double>("alpha", 0);
      family.has_alpha && settings.scaling == RopeScaling::dynamic && alpha != 0) {
    const auto dim = static_cast<double>(settings.dim);
    settings.base *= std::pow(alpha, dim / (dim - 2));
    settings.scaling = RopeScaling::none;
    return;
  }
  const double within = rope.get_or<double>("original_max_position_embeddings", context_length);
  settings.context = settings.scaling == RopeScaling::dynamic
                         ? context_length
                         : json.get_or<double>("original_max_position_embeddings", within);
  const bool may_lack_factor = settings.scaling == RopeScaling::longrope;
  settings.factor = may_lack_factor
                        ? rope.get_or<double>("factor", context_length / settings.context)
                        : rope.get<double>("factor");
  if (settings.scaling == RopeScaling::llama3) {
    settings.low_freq_factor = rope.get<double>("low_freq_factor");
    settings.high_freq_factor = rope.get<double>("high_freq_factor");
  }
  settings.attention_factor = rope.find<double>("attention_factor");
  settings.beta_fast = rope.get_or<double>("beta_fast", 32);
  settings.beta_slow = rope.get_or<double>("beta_slow", 1);
  settings.truncate = rope.get_or<bool>("truncate", true);
  settings.mscale = rope.find<double>("mscale");
  settings.mscale_all_dim = rope.find<double>("mscale_all_dim");
  if (settings.scaling != RopeScaling::longrope) return;
  settings.short_divisors = divisors_of(rope, "short_factor");
  settings.long_divisors = divisors_of(rope, "long_factor");
}

RopeSettings read_json_rope(const io::JsonObject& json, const RopeFamily& family) {
  const auto rope = rope_object(json, family.layer_type);
  RopeSettings settings{
      .base = within_or_beside(json, rope, {"rope_theta", "rotary_emb_base"}, family.base)};
  const double given = within_or_beside(json, rope, {"partial_rotary_factor", "rotary_pct"},
                                        family.share.value_or(1.0));
  const double share = family.share ? given : 1.0;
  const double dim = static_cast<double>(family.head_dim) * share;
  settings.dim =
      dim > 0 && dim <= static_cast<double>(family.head_dim) ? static_cast<std::int64_t>(dim) : -1;
  if (rope) read_scaling(json, *rope, family, settings);
  if (given != share && settings.scaling != RopeScaling::none) {
    fail(ErrorCode::unsupported, "config.json: partial_rotary_factor {} with a scaling", given);
  }
  return settings;
}

// ---- GGUF ----

std::vector<float> divisors_of(const Tensors& tensors, std::string_view name, std::int64_t pairs) {
  if (!tensors.has(name)) return {};
  const Weight& weight = tensors.get(name);
  if (weight.shape() != Shape{pairs}) {
    fail(ErrorCode::corrupt_file, "model: \"{}\" has shape {}, expected [{}]", name, weight.shape(),
         pairs);
  }
  const Tensor values = weight.tensor(DType::f32);
  return {values.data<float>().begin(), values.data<float>().end()};
}

RopeSettings read_gguf_rope(const Settings& settings, const Tensors& tensors,
                            const RopeFamily& family) {
  // The factor is linear where no type is given, and may have its older name.
  constexpr Setting kType{"rope.scaling.type", {}}, kFactor{"rope.scaling.factor", {}},
      kOlderFactor{"rope.scale_linear", {}}, kContext{"rope.scaling.original_context_length", {}},
      kAttention{"rope.scaling.attn_factor", {}}, kFast{"rope.scaling.yarn_beta_fast", {}},
      kSlow{"rope.scaling.yarn_beta_slow", {}}, kLog{"rope.scaling.yarn_log_multiplier", {}},
      kExtrapolation{"rope.scaling.yarn_ext_factor", {}},
      kYarnAttention{"rope.scaling.yarn_attn_factor", {}};
  RopeSettings rope{.base = settings.number_or(setting::rope_base, family.base)};
  rope.dim = settings.size_or(
      setting::rope_dim,
      static_cast<std::int64_t>(static_cast<double>(family.head_dim) * family.share.value_or(1.0)));
  const std::string type = settings.text_or(kType, "linear");
  rope.scaling = scaling_named(type, "gguf");
  rope.factor = settings.number_or(kFactor, settings.number_or(kOlderFactor, 0.0));
  if (rope.factor == 0.0 && rope.scaling == RopeScaling::linear) rope.scaling = RopeScaling::none;
  rope.context = settings.number_or(kContext, static_cast<double>(family.context_length));
  rope.beta_fast = settings.number_or(kFast, 32);
  rope.beta_slow = settings.number_or(kSlow, 1);
  if (settings.number_or(kLog, 0.0) != 0.0) {
    rope.mscale = 1.0;
    rope.mscale_all_dim = settings.number(kLog);
  }
  for (const Setting& other : {kExtrapolation, kYarnAttention}) {
    if (settings.number_or(other, 1.0) != 1.0) {
      fail(ErrorCode::unsupported, "gguf: \"{}\" is {}; known: 1", settings.name(other),
           settings.number(other));
    }
  }
  rope.divisors = divisors_of(tensors, "rope_freqs", rope.dim / 2);
  rope.short_divisors = divisors_of(tensors, "rope_factors_short", rope.dim / 2);
  rope.long_divisors = divisors_of(tensors, "rope_factors_long", rope.dim / 2);
  if (!rope.short_divisors.empty() && !rope.long_divisors.empty()) {
    rope.scaling = RopeScaling::longrope;
    rope.attention_factor = settings.number_or(kAttention, 1.0);
  } else if (settings.number_or(kAttention, 1.0) != 1.0) {
    fail(ErrorCode::unsupported, "model: rope.scaling.attn_factor {}; known: 1",
         settings.number(kAttention));
  }
  if (rope.scaling == RopeScaling::dynamic || rope.scaling == RopeScaling::llama3 ||
      (rope.scaling == RopeScaling::longrope && rope.long_divisors.empty())) {
    fail(ErrorCode::unsupported, "gguf: rotary scaling \"{}\" without its factors", type);
  }
  return rope;
}

}  // namespace

ops::RotaryPairs pairs_by_format(const Settings& settings) {
  return settings.is_gguf() ? ops::RotaryPairs::interleaved : ops::RotaryPairs::halves;
}

RopeSettings read_rope(const Settings& settings, const Tensors& tensors, const RopeFamily& family) {
  RopeSettings rope = settings.is_gguf() ? read_gguf_rope(settings, tensors, family)
                                         : read_json_rope(settings.json(), family);
  constexpr std::int64_t kLargest = 1 << 16;
  if (!(rope.base > 0) || rope.dim <= 0 || rope.dim > kLargest || rope.dim % 2 != 0 ||
      rope.dim > family.head_dim) {
    fail(ErrorCode::corrupt_file, "model: {} of {} elements of a head are rotated, with base {}",
         rope.dim, family.head_dim, rope.base);
  }
  const auto pairs = static_cast<std::size_t>(rope.dim / 2);
  if (rope.scaling == RopeScaling::longrope &&
      (rope.short_divisors.size() != pairs || rope.long_divisors.size() != pairs)) {
    fail(ErrorCode::corrupt_file, "model: {} short and {} long rotary factors, expected {} of each",
         rope.short_divisors.size(), rope.long_divisors.size(), pairs);
  }
  return rope;
}

}  // namespace quern::models
