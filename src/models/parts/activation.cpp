#include "models/parts/activation.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "quern/ops.h"

namespace quern::models {
namespace {

constexpr std::pair<std::string_view, Activation::Kind> kActivations[] = {
    {"silu", Activation::Kind::silu},           {"swish", Activation::Kind::silu},
    {"gelu", Activation::Kind::gelu},           {"gelu_new", Activation::Kind::gelu_tanh},
    {"gelu_fast", Activation::Kind::gelu_tanh}, {"gelu_pytorch_tanh", Activation::Kind::gelu_tanh},
    {"relu", Activation::Kind::relu},           {"relu2", Activation::Kind::relu_squared},
    {"xielu", Activation::Kind::xielu},
};

}  // namespace

Activation Activation::named(std::string_view name) {
  std::string known;
  for (const auto& [other, kind] : kActivations) {
    if (other == name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(other);
  }
  fail(ErrorCode::unsupported, "model: activation \"{}\"; known: {}", name, known);
}

Activation Activation::xielu(float alpha_p, float alpha_n, float beta, float eps) {
  Activation made(Kind::xielu);
  made.has_numbers_ = true;
  made.alpha_p_ = alpha_p;
  made.alpha_n_ = alpha_n;
  made.beta_ = beta;
  made.eps_ = eps;
  return made;
}

Tensor Activation::operator()(const Tensor& x) const {
  switch (kind_) {
    case Kind::silu:
      return ops::silu(x);
    case Kind::gelu:
      return ops::gelu(x, ops::GeluForm::erf);
    case Kind::gelu_tanh:
      return ops::gelu(x, ops::GeluForm::tanh);
    case Kind::relu:
      return ops::relu(x);
    case Kind::relu_squared:
      return ops::square(ops::relu(x));
    case Kind::xielu:
      break;
  }
  Tensor result = Tensor::empty(x.shape());
  const auto src = x.data<float>();
  const auto dst = result.mutable_data<float>();
  parallel_for(x.numel(), 4096, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const float v = src[i];
      dst[i] = v > 0 ? alpha_p_ * v * v + beta_ * v
                     : alpha_n_ * (std::expm1(std::min(v, eps_)) - v) + beta_ * v;
    }
  });
  return result;
}

Tensor Activation::gate(const Tensor& gate, const Tensor& up) const {
  return kind_ == Kind::silu ? ops::silu_mul(gate, up) : ops::mul((*this)(gate), up);
}

}  // namespace quern::models
