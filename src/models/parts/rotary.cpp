#include "models/parts/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace quern::models {
namespace {

/// base^(-2 i / dim) for each pair.
std::vector<float> unscaled(double base, std::int64_t dim) {
  std::vector<float> frequencies;
  for (std::int64_t i = 0; i < dim; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(dim);
    frequencies.push_back(static_cast<float>(std::pow(base, -exponent)));
  }
  return frequencies;
}

void divide(std::vector<float>& frequencies, const std::vector<float>& divisors) {
  for (std::size_t i = 0; i < divisors.size(); ++i) frequencies[i] /= divisors[i];
}

void scale_by_turns(std::vector<float>& frequencies, const RopeSettings& rope) {
  for (float& frequency : frequencies) {
    const double turns = rope.context * static_cast<double>(frequency) / (2 * std::numbers::pi);
    const double ramp = std::clamp(
        (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor), 0.0, 1.0);
    frequency =
        static_cast<float>(static_cast<double>(frequency) * (ramp + (1 - ramp) / rope.factor));
  }
}

/// Between the waves that turn `beta_fast` and `beta_slow` times in the original context.
void scale_by_yarn(std::vector<float>& frequencies, const RopeSettings& rope) {
  const auto dim = static_cast<double>(rope.dim);
  const auto wave_that_turns = [&](double times) {
    return dim * std::log(rope.context / (times * 2 * std::numbers::pi)) /
           (2 * std::log(rope.base));
  };
  double low = wave_that_turns(rope.beta_fast);
  double high = wave_that_turns(rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] =
        static_cast<float>(static_cast<double>(frequencies[i]) * (ramp / rope.factor + 1 - ramp));
  }
}

double yarn_scale(double factor, double by) {
  return factor <= 1 ? 1.0 : 0.1 * by * std::log(factor) + 1.0;
}

double attention_factor_of(const RopeSettings& rope) {
  if (rope.scaling == RopeScaling::yarn) {
    if (rope.attention_factor) return *rope.attention_factor;
    if (rope.mscale.value_or(0) != 0 && rope.mscale_all_dim.value_or(0) != 0)
      return yarn_scale(rope.factor, *rope.mscale) / yarn_scale(rope.factor, *rope.mscale_all_dim);
    return yarn_scale(rope.factor, 1);
  }
  if (rope.scaling == RopeScaling::longrope) {
    if (rope.attention_factor) return *rope.attention_factor;
    if (rope.factor <= 1) return 1.0;
    return std::sqrt(1 + std::log(rope.factor) / std::log(rope.context));
  }
  return 1.0;
}

void check(const RopeSettings& rope) {
  if (rope.scaling == RopeScaling::none) return;
  const bool has_factor = rope.factor > 0 || rope.scaling == RopeScaling::longrope;
  const bool has_context = rope.context > 0 || rope.scaling == RopeScaling::linear;
  const bool has_ramp = rope.high_freq_factor > rope.low_freq_factor && rope.beta_slow > 0 &&
                        rope.beta_fast >= rope.beta_slow;
  if (!has_factor || !has_context || !has_ramp) {
    fail(ErrorCode::corrupt_file,
         "model: rotary scaling by {} from {} to {} (or {} to {}) turns over {} tokens",
         rope.factor, rope.low_freq_factor, rope.high_freq_factor, rope.beta_slow, rope.beta_fast,
         rope.context);
  }
}

}  // namespace

Rotary::Rotary(const RopeSettings& settings) : settings_(settings) {
  check(settings);
  attention_factor_ = static_cast<float>(attention_factor_of(settings));
  if (!std::isfinite(attention_factor_))
    fail(ErrorCode::corrupt_file, "model: rotary attention factor is {}", attention_factor_);
  usual_ = frequencies(0);
}

std::vector<float> Rotary::frequencies(std::int64_t length) const {
  const RopeSettings& rope = settings_;
  const bool is_long = static_cast<double>(length) > rope.context;
  double base = rope.base;
  if (rope.scaling == RopeScaling::dynamic && is_long) {
    const auto dim = static_cast<double>(rope.dim);
    const double stretch =
        rope.factor * static_cast<double>(length) / rope.context - (rope.factor - 1);
    base *= std::pow(stretch, dim / (dim - 2));
  }
  std::vector<float> result = unscaled(base, rope.dim);
  if (rope.scaling == RopeScaling::linear) {
    for (float& frequency : result) frequency /= static_cast<float>(rope.factor);
  } else if (rope.scaling == RopeScaling::llama3) {
    scale_by_turns(result, rope);
  } else if (rope.scaling == RopeScaling::yarn) {
    scale_by_yarn(result, rope);
  } else if (rope.scaling == RopeScaling::longrope) {
    divide(result, is_long ? rope.long_divisors : rope.short_divisors);
  }
  divide(result, rope.divisors);
  return result;
}

std::int64_t Rotary::kind(std::int64_t length) const {
  if (static_cast<double>(length) <= settings_.context) return 0;
  if (settings_.scaling == RopeScaling::longrope) return 1;
  return settings_.scaling == RopeScaling::dynamic ? length : 0;
}

ops::RotaryTable Rotary::at(const Batch& batch) const {
  ops::RotaryTable table(static_cast<std::int64_t>(usual_.size()));
  for (const Batch::Part& part : batch.parts) {
    const std::int64_t length =
        part.sequence == nullptr ? part.count : part.sequence->planned_length(part.count);
    const std::vector<std::int64_t> positions = positions_of(part);
    if (kind(length) == 0) {
      table.append(positions, usual_, attention_factor_);
    } else {
      table.append(positions, frequencies(length), attention_factor_);
    }
  }
  return table;
}

}  // namespace quern::models
