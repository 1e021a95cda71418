#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/source/settings.h"
#include "models/source/tensors.h"
#include "quern/ops.h"

namespace quern::models {

/// How rotary angles are stretched for contexts longer than those of the training.
enum class RopeScaling {
  none,
  linear,    ///< positions are `factor` times closer
  dynamic,   ///< the base grows with sequences longer than `context`
  llama3,    ///< long waves slow down by `factor`, short ones stay, with a ramp between
  yarn,      ///< the same by another ramp, and angles' products grow (Peng et al., 2023)
  longrope,  ///< a divisor for each wave, others in sequences longer than `context`
};

/// The rotary positions of a model's layers, or of some of them, as its files say.
struct RopeSettings {
  double base = 10000;
  std::int64_t dim = 0;  ///< elements of a head that are rotated
  RopeScaling scaling = RopeScaling::none;
  double factor = 1;
  double context = 0;  ///< tokens before any stretching
  double low_freq_factor = 1, high_freq_factor = 4;
  double beta_fast = 32, beta_slow = 1;
  bool truncate = true;  ///< whether yarn's ramp begins and ends at whole waves
  std::optional<double> attention_factor = {};  ///< of cosines and sines
  std::optional<double> mscale = {}, mscale_all_dim = {};
  std::vector<float> divisors = {};  ///< of each frequency, beside all scaling; empty: none
  std::vector<float> short_divisors = {}, long_divisors = {};  ///< of longrope
};

/// What a family says of rotary positions that its files do not.
struct RopeFamily {
  std::int64_t head_dim = 0;
  std::int64_t context_length = 0;
  ops::RotaryPairs pairs = ops::RotaryPairs::halves;
  double base = 10000;  ///< where the files have none
  /// Of a head that is rotated, where the files say nothing; none: all of it, and what config.json
  /// says counts for nothing.
  std::optional<double> share = {};
  bool has_alpha =
      false;  ///< whether "dynamic" with an "alpha" stretches the base once and for all
  std::string_view layer_type = {};  ///< of which layers, where config.json tells them apart
};

/// Of families whose GGUF has queries and keys in another order: neighbours there, and halves of a
/// head in all other files.
ops::RotaryPairs pairs_by_format(const Settings& settings);

/// Of config.json, read as transformers reads it ("rope_parameters", "rope_scaling", and what older
/// ones have beside these); of GGUF, as llama.cpp does. Throws: `unsupported` for a scaling that is
/// not known, `corrupt_file`.
RopeSettings read_rope(const Settings& settings, const Tensors& tensors, const RopeFamily& family);

}  // namespace quern::models
