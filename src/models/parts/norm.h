#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "models/source/tensors.h"
#include "quern/tensor.h"

namespace quern::models {

enum class NormKind {
  rms,    ///< x / sqrt(mean(x²) + epsilon)
  layer,  ///< (x - mean) / sqrt(variance + epsilon)
};

struct NormSettings {
  NormKind kind = NormKind::rms;
  float epsilon = 1e-5f;
  bool has_weight = true;
  std::optional<bool> bias = false;  ///< none: where the file has one
  float offset = 0;                  ///< added to the weight: some files hold what it is beyond 1
};

/// Throws: `corrupt_file` for an epsilon outside [0, 1).
NormSettings checked(const NormSettings& settings);

/// Normalises over runs of `dim` elements of the last axis, each with the same weight [dim].
/// Immutable.
class Norm {
 public:
  /// Throws: as Tensors::get, and `invalid_argument` for another shape than [dim].
  Norm(const Tensors& tensors, std::string_view name, std::int64_t dim,
       const NormSettings& settings);

  /// x [rows, n * dim] f32, of that shape again.
  Tensor operator()(const Tensor& x) const;

 private:
  std::int64_t dim_;
  NormSettings settings_;
  std::optional<Tensor> weight_, bias_;
};

}  // namespace quern::models
