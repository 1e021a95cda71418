#pragma once

#include <string_view>

#include "quern/tensor.h"

namespace quern::models {

/// The function within a feed-forward layer.
class Activation {
 public:
  enum class Kind { silu, gelu, gelu_tanh, relu, relu_squared, xielu };

  Activation(Kind kind = Kind::silu) : kind_(kind) {}  // NOLINT: a kind is one
  /// By its name in transformers: "silu", "gelu_new", ... Throws: `unsupported`, with those known.
  /// Of "xielu" the numbers are missing: only what is made of them can be called.
  static Activation named(std::string_view name);
  /// alpha_p x² + beta x where x > 0, else alpha_n (expm1(min(x, eps)) - x) + beta x (Huang and
  /// Schlag, 2025).
  static Activation xielu(float alpha_p, float alpha_n, float beta, float eps);

  bool is_complete() const noexcept { return kind_ != Kind::xielu || has_numbers_; }
  /// x [rows, dim] f32, of that shape again.
  Tensor operator()(const Tensor& x) const;
  /// The function of `gate`, times `up`.
  Tensor gate(const Tensor& gate, const Tensor& up) const;

 private:
  Kind kind_;
  bool has_numbers_ = false;
  float alpha_p_ = 0, alpha_n_ = 0, beta_ = 0, eps_ = 0;
};

}  // namespace quern::models
