#include "ops/eltwise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/strided.h"
#include "core/visit.h"
#include "kernels/rows.h"
#include "ops/nan.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

using backend::Eltwise;

// In double for f64, else in float.
template <class T>
T evaluate(Eltwise function, T x, T alpha, T beta) {
  constexpr T kSqrtHalf = std::numbers::sqrt2_v<T> / 2;
  constexpr T kSqrtTwoOverPi = std::numbers::sqrt2_v<T> * std::numbers::inv_sqrtpi_v<T>;
  const auto sigmoid = [](T value) { return T{1} / (T{1} + std::exp(-value)); };
  const auto softplus = [](T value) { return value > T{20} ? value : std::log1p(std::exp(value)); };
  switch (function) {
    case Eltwise::relu:
      return x > 0 || std::isnan(x) ? x : (alpha == 0 ? T{0} : alpha * x);
    case Eltwise::elu:
      return x > 0 ? x : alpha * std::expm1(x);
    case Eltwise::gelu_erf:
      return x / 2 * (1 + std::erf(x * kSqrtHalf));
    case Eltwise::gelu_tanh:
      return x / 2 * (1 + std::tanh(kSqrtTwoOverPi * (x + T(0.044715) * x * x * x)));
    case Eltwise::silu:
      return x * sigmoid(x);
    case Eltwise::sigmoid:
      return sigmoid(x);
    case Eltwise::tanh:
      return std::tanh(x);
    case Eltwise::exp:
      return std::exp(x);
    case Eltwise::log:
      return std::log(x);
    case Eltwise::sqrt:
      return std::sqrt(x);
    case Eltwise::abs:
      return std::abs(x);
    case Eltwise::square:
      return x * x;
    case Eltwise::softplus:
      return softplus(x);
    case Eltwise::mish:
      return x * std::tanh(softplus(x));
    case Eltwise::hardswish:
      return x * std::clamp(x / 6 + T(0.5), T{0}, T{1});
    case Eltwise::linear:
      return alpha * x + beta;
    case Eltwise::clip:
      return std::isnan(x) ? x : std::clamp(x, alpha, beta);
    case Eltwise::pow:
      return alpha * std::pow(x, beta);
    case Eltwise::round:
      return std::nearbyint(x);
  }
  return x;
}

bool run_reference(const EltwiseArgs& args) {
  visit_floating("eltwise", args.src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* src = static_cast<const T*>(args.src.raw());
    auto* dst = static_cast<T*>(Tensor(args.dst).mutable_raw());
    for_each_run<2>(args.src.shape(), {args.src.strides(), args.dst.strides()},
                    [&](const auto& offsets, std::int64_t count, const auto& strides) {
                      for (std::int64_t i = 0; i < count; ++i) {
                        const auto x = static_cast<Compute<T>>(src[offsets[0] + i * strides[0]]);
                        const auto y =
                            evaluate<Compute<T>>(args.function, x, args.alpha, args.beta);
                        dst[offsets[1] + i * strides[1]] = static_cast<T>(y);
                      }
                    });
  });
  return true;
}

bool run_onednn(const EltwiseArgs& args) {
  const DType dtype = args.src.dtype();
  if (dtype != DType::f32 && dtype != DType::bf16) return false;
  // oneDNN 2's logarithms are off by 3e-6 near 1, and its softplus turns negative.
  if (args.function == Eltwise::log || args.function == Eltwise::softplus) return false;
  if (!args.src.is_contiguous() || args.src.numel() == 0 || contains_nan(args.src)) return false;
  const backend::TensorDesc flat = backend::dense_desc(dtype, {args.src.numel()});
  const auto operation =
      backend::try_prepare(backend::EltwiseDesc{flat, flat, args.function, args.alpha, args.beta});
  if (!operation) return false;
  operation->run({{backend::Slot::src, args.src.raw()}, {backend::Slot::dst, args.dst.raw()}});
  return true;
}

constexpr Implementation<EltwiseArgs> kImplementations[] = {{"onednn", run_onednn},
                                                            {"reference", run_reference}};

Tensor eltwise(Eltwise function, const Tensor& x, float alpha = 0.f, float beta = 0.f) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "eltwise: expected a floating dtype, got {}", x.dtype());
  EltwiseArgs args{function, x, Tensor::empty(x.shape(), x.dtype()), alpha, beta};
  run_first(eltwise_implementations(), args);
  return args.dst;
}

template <class Function>
Tensor map_signed(const char* name, const Tensor& x, const Function& function) {
  Tensor dst = Tensor::empty(x.shape(), x.dtype());
  visit_numeric(name, x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool> || std::is_unsigned_v<T>) {
      fail(ErrorCode::unsupported, "{}: expected a signed dtype, got {}", name, x.dtype());
    } else {
      const auto* src = static_cast<const T*>(x.raw());
      T* out = dst.mutable_data<T>().data();
      for_each_run<2>(x.shape(), {x.strides(), dst.strides()},
                      [&](const auto& offsets, std::int64_t count, const auto& strides) {
                        for (std::int64_t i = 0; i < count; ++i) {
                          const auto value =
                              static_cast<Compute<T>>(src[offsets[0] + i * strides[0]]);
                          out[offsets[1] + i * strides[1]] = static_cast<T>(function(value));
                        }
                      });
    }
  });
  return dst;
}

// The most negative integer stays itself, as in PyTorch.
template <class T>
T negate(T value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(std::make_unsigned_t<T>{0} - static_cast<std::make_unsigned_t<T>>(value));
  } else {
    return -value;
  }
}

}  // namespace

std::span<const Implementation<EltwiseArgs>> eltwise_implementations() { return kImplementations; }

Tensor neg(const Tensor& x) {
  return map_signed("neg", x, [](auto value) { return negate(value); });
}
Tensor abs(const Tensor& x) {
  return map_signed("abs", x, [](auto value) {
    return std::signbit(static_cast<double>(value)) ? negate(value) : value;
  });
}
Tensor exp(const Tensor& x) { return eltwise(Eltwise::exp, x); }
Tensor log(const Tensor& x) { return eltwise(Eltwise::log, x); }
Tensor sqrt(const Tensor& x) { return eltwise(Eltwise::sqrt, x); }
Tensor square(const Tensor& x) { return eltwise(Eltwise::square, x); }
Tensor tanh(const Tensor& x) { return eltwise(Eltwise::tanh, x); }
Tensor sigmoid(const Tensor& x) { return eltwise(Eltwise::sigmoid, x); }
Tensor relu(const Tensor& x) { return eltwise(Eltwise::relu, x); }
Tensor leaky_relu(const Tensor& x, float slope) { return eltwise(Eltwise::relu, x, slope); }
Tensor elu(const Tensor& x, float alpha) { return eltwise(Eltwise::elu, x, alpha); }
Tensor gelu(const Tensor& x, GeluForm form) {
  return eltwise(form == GeluForm::erf ? Eltwise::gelu_erf : Eltwise::gelu_tanh, x);
}
Tensor silu(const Tensor& x) { return eltwise(Eltwise::silu, x); }
Tensor softplus(const Tensor& x) { return eltwise(Eltwise::softplus, x); }
Tensor mish(const Tensor& x) { return eltwise(Eltwise::mish, x); }
Tensor hardswish(const Tensor& x) { return eltwise(Eltwise::hardswish, x); }

Tensor clip(const Tensor& x, float low, float high) {
  require(low <= high, "clip: low {} is above high {}", low, high);
  return eltwise(Eltwise::clip, x, low, high);
}

Tensor silu_mul(const Tensor& gate, const Tensor& up) {
  require(gate.shape() == up.shape() && gate.dtype() == up.dtype(),
          "silu_mul: gate {} {} and up {} {} differ", gate.dtype(), gate.shape(), up.dtype(),
          up.shape());
  if (gate.dtype() != DType::f32) return mul(silu(gate), up);
  const Tensor dense_gate = gate.contiguous();
  const Tensor dense_up = up.contiguous();
  Tensor dst = Tensor::empty(gate.shape());
  kernels::silu_mul(dense_gate.data<float>().data(), dense_up.data<float>().data(), gate.numel(),
                    dst.mutable_data<float>().data());
  return dst;
}

}  // namespace quern::ops
