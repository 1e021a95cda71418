#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ops/step.h"
#include "quern/tensor.h"

namespace quern::ops {

/// A product with everything that is known before its source.
struct MatMulSpec {
  Tensor weight;                 ///< [in, out], f32, of any strides
  std::optional<Tensor> bias{};  ///< [out], f32
  std::vector<Step> steps{};     ///< in order; operands come with each source
};

/// x · weight + bias, its constant weight packed once as oneDNN's kernels want it, and from then on
/// kept in that form alone.
///
/// Copies share the packed weight. Safe to use from several threads.
class PackedMatMul {
 public:
  /// Throws: `invalid_argument`.
  explicit PackedMatMul(MatMulSpec spec);

  /// The same without its steps; shares the packed weight.
  PackedMatMul without_steps() const;

  std::int64_t in_features() const noexcept;
  std::int64_t out_features() const noexcept;
  /// x [..., in] f32 or bf16 -> [..., out] of x's dtype. `operands`: one for each binary step, of
  /// the result's shape or [out]. Throws: `invalid_argument`.
  Tensor operator()(const Tensor& x, std::span<const Tensor> operands = {}) const;
  /// Whether `operand` can be one: of the result's shape or [out].
  bool takes(const Tensor& x, const Tensor& operand) const;

 private:
  struct Impl;
  explicit PackedMatMul(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  std::shared_ptr<const Impl> impl_;
};

/// Whether products in bf16 are faster than in f32 on this machine.
bool has_fast_bf16();

}  // namespace quern::ops
