#include "ops/step.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "core/error.h"
#include "ops/step_post_op.h"

namespace quern::ops {
namespace {

using backend::Binary;
using backend::Eltwise;

constexpr std::string_view kNames[] = {
    "add",       "sub",  "mul",     "div",  "minimum", "maximum",   "relu",   "elu", "gelu_erf",
    "gelu_tanh", "silu", "sigmoid", "tanh", "mish",    "hardswish", "linear", "clip"};

}  // namespace

Step::Kind step_kind(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == std::end(kNames)) {
    std::string known;
    for (const std::string_view each : kNames)
      known += (known.empty() ? "" : ", ") + std::string(each);
    fail(ErrorCode::invalid_argument, "step \"{}\"; known: {}", name, known);
  }
  return static_cast<Step::Kind>(found - std::begin(kNames));
}

backend::PostOp to_post_op(const Step& step) {
  constexpr Binary kBinary[] = {Binary::add, Binary::sub,     Binary::mul,
                                Binary::div, Binary::minimum, Binary::maximum};
  constexpr Eltwise kEltwise[] = {Eltwise::relu,      Eltwise::elu,  Eltwise::gelu_erf,
                                  Eltwise::gelu_tanh, Eltwise::silu, Eltwise::sigmoid,
                                  Eltwise::tanh,      Eltwise::mish, Eltwise::hardswish,
                                  Eltwise::linear,    Eltwise::clip};
  const auto kind = static_cast<std::size_t>(step.kind);
  if (step.has_operand()) return backend::PostOp::with(kBinary[kind], {});
  return backend::PostOp::apply(kEltwise[kind - std::size(kBinary)], step.alpha, step.beta);
}

}  // namespace quern::ops
