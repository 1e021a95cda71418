#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "quern/ops.h"

namespace quern::models {

/// What a decoder's layers and cache need to know, whatever its architecture.
struct ModelConfig {
  std::int64_t vocab_size = 0;
  std::int64_t dim = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t ffn_dim = 0;
  std::int64_t context_length = 0;
  std::int64_t window = 0;  ///< sliding-window attention; 0: none
  float norm_epsilon = 1e-5f;
  /// Whether products have a bias, and whether the output is that of the embedding where it has no
  /// matrix of its own; none: what the weights say.
  std::optional<bool> attention_bias, ffn_bias, tied_output;
  std::vector<float> rotary_frequencies;  ///< radians per position, of each rotated pair
  ops::RotaryPairs rotary_pairs = ops::RotaryPairs::halves;
};

/// Throws: `corrupt_file` for sizes that are not positive, absurd, or do not divide.
void check_config(const ModelConfig& config);

/// base^(-2 i / rotated_dim) for each pair.
std::vector<float> rotary_frequencies(double base, std::int64_t rotated_dim);

/// Positions are `factor` times closer ("linear").
void slow_frequencies(std::vector<float>& frequencies, double factor);

/// Context extension by wave length ("llama3" in Hugging Face configurations): long waves slow down
/// by `factor`, short ones stay, with a smooth ramp between `low_freq_factor` and
/// `high_freq_factor` turns over the original context.
struct RampScaling {
  double factor = 8;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_context = 8192;
};
void scale_frequencies(std::vector<float>& frequencies, const RampScaling& scaling);

}  // namespace quern::models
