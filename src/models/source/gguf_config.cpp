#include <algorithm>

#include "core/error.h"
#include "core/format.h"
#include "io/gguf_metadata.h"
#include "models/source/source_config.h"

namespace quern::models {
namespace {

/// The keys of one architecture.
class Keys {
 public:
  explicit Keys(const ModelSource& source)
      : metadata_(source.gguf->metadata), prefix_(source.architecture() + ".") {}

  std::int64_t size(const char* key) const { return io::get_int(metadata_, prefix_ + key); }
  std::int64_t size_or(const char* key, std::int64_t other) const {
    return io::find_int(metadata_, prefix_ + key).value_or(other);
  }
  double number(const char* key) const { return io::get_float(metadata_, prefix_ + key); }
  double number_or(const char* key, double other) const {
    return io::find_float(metadata_, prefix_ + key).value_or(other);
  }
  std::string text_or(const char* key, const char* other) const {
    const std::string* text = io::find_string(metadata_, prefix_ + key);
    return text == nullptr ? other : *text;
  }

  /// One size for all layers, or a list with one for each, which must be equal.
  std::optional<std::int64_t> size_of_layers(const char* key, std::int64_t layers) const {
    const std::string name = prefix_ + key;
    const auto found = metadata_.find(name);
    if (found == metadata_.end()) return std::nullopt;
    if (!std::holds_alternative<std::vector<std::int64_t>>(found->second))
      return io::get_int(metadata_, name);
    const auto& each = std::get<std::vector<std::int64_t>>(found->second);
    if (std::ssize(each) != layers || each.empty()) {
      fail(ErrorCode::corrupt_file,
           "gguf: \"{}\": expected {} elements, one for each layer, got {}", name, layers,
           each.size());
    }
    const auto other = std::ranges::find_if(each, [&](auto size) { return size != each[0]; });
    if (other != each.end()) {
      fail(ErrorCode::unsupported, "gguf: \"{}\" is {} in layer 0 and {} in layer {}, which differ",
           name, each[0], *other, other - each.begin());
    }
    return each[0];
  }
  std::int64_t size_of_all_layers(const char* key, std::int64_t layers) const {
    const auto size = size_of_layers(key, layers);
    return size ? *size : io::get_int(metadata_, prefix_ + key);  // which says that it is missing
  }

 private:
  const io::GgufMetadata& metadata_;
  std::string prefix_;
};

void refuse_experts(const Keys& keys, const ModelSource& source) {
  const std::int64_t experts = keys.size_or("expert_count", 0);
  if (experts > 0) {
    fail(ErrorCode::unsupported,
         "load: \"{}\" is a mixture of experts ({}), which is not supported", source.path, experts);
  }
}

/// The factor is linear where no type is given, and may have its older name.
void apply_scaling(const Keys& keys, ModelConfig& config) {
  const std::string type = keys.text_or("rope.scaling.type", "linear");
  if (type != "linear" && type != "none") {
    fail(ErrorCode::unsupported, "model: rotary scaling \"{}\"; known: linear, none", type);
  }
  const double attention_factor = keys.number_or("rope.scaling.attn_factor", 1.0);
  if (attention_factor != 1.0) {
    fail(ErrorCode::unsupported, "model: rope.scaling.attn_factor {}; known: 1", attention_factor);
  }
  const double factor =
      keys.number_or("rope.scaling.factor", keys.number_or("rope.scale_linear", 0.0));
  if (type == "linear" && factor != 0.0) slow_frequencies(config.rotary_frequencies, factor);
}

void divide_frequencies(const Weights& weights, std::vector<float>& frequencies) {
  if (!weights.contains("rope_freqs.weight")) return;
  const auto pairs = static_cast<std::int64_t>(frequencies.size());
  const Tensor divisors = weights.view().get("rope_freqs.weight", {pairs}).tensor(DType::f32);
  for (std::size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= divisors.data<float>()[i];
}

}  // namespace

ModelConfig read_gguf_config(const ModelSource& source) {
  const Keys keys(source);
  refuse_experts(keys, source);
  ModelConfig config;
  config.vocab_size = source.weights.get("token_embd.weight").shape()[0];
  config.dim = keys.size("embedding_length");
  config.layers = keys.size("block_count");
  config.heads = keys.size_of_all_layers("attention.head_count", config.layers);
  config.kv_heads =
      keys.size_of_layers("attention.head_count_kv", config.layers).value_or(config.heads);
  const std::int64_t usual = config.heads > 0 ? config.dim / config.heads : 0;
  config.head_dim = keys.size_or("attention.key_length", usual);
  const std::int64_t value_dim = keys.size_or("attention.value_length", usual);
  const std::int64_t rotated = keys.size_or("rope.dimension_count", config.head_dim);
  if (value_dim != config.head_dim || rotated != config.head_dim) {
    fail(ErrorCode::unsupported,
         "model: keys of {} elements, {} of them rotated, and values of {}; known: all the same",
         config.head_dim, rotated, value_dim);
  }
  config.ffn_dim = keys.size_of_all_layers("feed_forward_length", config.layers);
  config.context_length = keys.size("context_length");
  config.norm_epsilon = static_cast<float>(keys.number("attention.layer_norm_rms_epsilon"));
  // GGUF stores queries and keys reordered for it.
  config.rotary_pairs = ops::RotaryPairs::interleaved;
  config.rotary_frequencies =
      rotary_frequencies(keys.number_or("rope.freq_base", 10000.0), config.head_dim);
  apply_scaling(keys, config);
  divide_frequencies(source.weights, config.rotary_frequencies);
  return config;
}

}  // namespace quern::models
