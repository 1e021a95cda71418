#include "models/source/model_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace quern::models {
namespace {

void check_size(std::string_view name, std::int64_t value) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 28;
  if (value <= 0 || value > kLargest) {
    fail(ErrorCode::corrupt_file, "model: {} is {}, expected 1 to {}", name, value, kLargest);
  }
}

}  // namespace

void check_config(const ModelConfig& config) {
  check_size("vocab_size", config.vocab_size);
  check_size("dim", config.dim);
  check_size("layers", config.layers);
  check_size("heads", config.heads);
  check_size("kv_heads", config.kv_heads);
  check_size("head_dim", config.head_dim);
  check_size("ffn_dim", config.ffn_dim);
  check_size("context_length", config.context_length);
  if (config.heads % config.kv_heads != 0) {
    fail(ErrorCode::corrupt_file, "model: {} heads are not a multiple of {} kv_heads", config.heads,
         config.kv_heads);
  }
  if (config.window < 0)
    fail(ErrorCode::corrupt_file, "model: sliding window is {}", config.window);
  if (!(config.norm_epsilon >= 0.f && config.norm_epsilon < 1.f)) {
    fail(ErrorCode::corrupt_file, "model: norm epsilon is {}", config.norm_epsilon);
  }
  const auto rotated = 2 * static_cast<std::int64_t>(config.rotary_frequencies.size());
  if (rotated > config.head_dim) {
    fail(ErrorCode::corrupt_file, "model: {} of {} elements of a head are rotated", rotated,
         config.head_dim);
  }
}

std::vector<float> rotary_frequencies(double base, std::int64_t rotated_dim) {
  constexpr std::int64_t kLargest = 1 << 16;
  if (!(base > 0) || rotated_dim <= 0 || rotated_dim > kLargest || rotated_dim % 2 != 0) {
    fail(ErrorCode::corrupt_file, "model: rotary base {} with dimension {}", base, rotated_dim);
  }
  std::vector<float> frequencies;
  for (std::int64_t i = 0; i < rotated_dim; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(rotated_dim);
    frequencies.push_back(static_cast<float>(std::pow(base, -exponent)));
  }
  return frequencies;
}

void slow_frequencies(std::vector<float>& frequencies, double factor) {
  if (!(factor > 0)) fail(ErrorCode::corrupt_file, "model: rotary scaling by {}", factor);
  for (float& frequency : frequencies) frequency /= static_cast<float>(factor);
}

void scale_frequencies(std::vector<float>& frequencies, const RampScaling& scaling) {
  const auto& [factor, low, high, context] = scaling;
  if (!(factor > 0) || !(high > low) || !(context > 0)) {
    fail(ErrorCode::corrupt_file, "model: rotary scaling by {} from {} to {} turns over {} tokens",
         factor, low, high, context);
  }
  for (float& frequency : frequencies) {
    const double turns = context * static_cast<double>(frequency) / (2 * std::numbers::pi);
    const double ramp = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    frequency = static_cast<float>(static_cast<double>(frequency) * (ramp + (1 - ramp) / factor));
  }
}

}  // namespace quern::models
