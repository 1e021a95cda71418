#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/operation.h"
#include "ops/binary.h"
#include "ops/eltwise.h"
#include "quern/ops.h"
#include "quern/runtime.h"

namespace quern {

/// The floats that oneDNN computes with here: bf16 needs AVX-512.
inline std::vector<DType> prepared_floats() {
  const std::string isa = runtime_info().isa;
  if (isa == "baseline" || isa == "avx2") return {DType::f32};
  return {DType::f32, DType::bf16};
}

/// A step after a product with its operand, empty for a function of one element.
struct Step {
  backend::PostOp op;
  Tensor operand;
};

inline Step apply(backend::Eltwise function, float alpha = 0.f, float beta = 0.f) {
  return {backend::PostOp::apply(function, alpha, beta), Tensor()};
}

inline Step with(backend::Binary operation, const Tensor& operand) {
  return {backend::PostOp::with(operation, backend::describe(operand)), operand};
}

/// dst = steps(a · b + bias) by a prepared operation, which the test requires to exist.
inline void run_matmul(const Tensor& a, const Tensor& b, const Tensor& dst,
                       const std::optional<Tensor>& bias = {},
                       const std::vector<Step>& steps = {}) {
  using backend::Slot;
  backend::MatMulDesc desc{
      backend::describe(a), backend::describe(b), backend::describe(dst), {}, {}};
  std::vector<backend::Argument> arguments{
      {Slot::src, a.raw()}, {Slot::weights, b.raw()}, {Slot::dst, dst.raw()}};
  if (bias) {
    desc.bias.push_back(backend::describe(*bias));
    arguments.push_back({Slot::bias, bias->raw()});
  }
  int operands = static_cast<int>(Slot::post_op0);
  for (const Step& step : steps) {
    desc.post_ops.push_back(step.op);
    if (step.op.kind == backend::PostOp::Kind::binary) {
      arguments.push_back({static_cast<Slot>(operands++), step.operand.raw()});
    }
  }
  const auto operation = backend::try_prepare(desc);
  REQUIRE(operation != nullptr);
  operation->run(arguments);
}

inline Tensor eltwise_in_f64(const Tensor& x, const backend::PostOp& step) {
  const Tensor dst = Tensor::empty(x.shape(), DType::f64);
  const auto& reference = ops::eltwise_implementations().back();
  REQUIRE(reference.run({step.eltwise, x, dst, step.alpha, step.beta}));
  return dst;
}

inline Tensor binary_in_f64(backend::Binary operation, const Tensor& a, const Tensor& b) {
  const Shape shape = broadcast_shapes(a.shape(), b.shape());
  const Tensor dst = Tensor::empty(shape, DType::f64);
  const auto& reference = ops::binary_implementations().back();
  REQUIRE(reference.run({operation, a.expand(shape), b.cast(DType::f64).expand(shape), dst}));
  return dst;
}

/// `steps` on f64 values.
inline Tensor steps_in_f64(Tensor x, const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    x = step.op.kind == backend::PostOp::Kind::eltwise
            ? eltwise_in_f64(x, step.op)
            : binary_in_f64(step.op.binary, x, step.operand);
  }
  return x;
}

/// What run_matmul should give, in f64.
inline Tensor matmul_in_f64(const Tensor& a, const Tensor& b,
                            const std::optional<Tensor>& bias = {},
                            const std::vector<Step>& steps = {}) {
  Tensor product = ops::matmul(a.cast(DType::f64), b.cast(DType::f64));
  if (bias) product = binary_in_f64(backend::Binary::add, product, *bias);
  return steps_in_f64(product, steps);
}

}  // namespace quern
