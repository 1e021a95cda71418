#include "ops/eltwise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/visit.h"
#include "ops/elements.h"
#include "ops/nan.h"

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
  const Tensor src = args.src.contiguous();
  Tensor dst = args.dst;
  visit_floating("eltwise", src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = src.data<T>().data();
    T* to = dst.mutable_data<T>().data();
    const auto function = [&](auto x) {
      return evaluate<Compute<T>>(args.function, x, args.alpha, args.beta);
    };
    parallel_for(src.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      map_run(from + begin, to + begin, end - begin, function);
    });
  });
  return true;
}

bool run_kernel(const EltwiseArgs& args) {
  const auto kernel = activation_kernel(args.function);
  if (!kernel || args.src.dtype() != DType::f32 || !args.src.is_contiguous()) return false;
  Tensor dst = args.dst;
  kernels::activate(*kernel, args.src.data<float>().data(), nullptr, args.src.numel(),
                    dst.mutable_data<float>().data());
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

constexpr Implementation<EltwiseArgs> kEltwiseImplementations[] = {
    {"kernel", run_kernel}, {"onednn", run_onednn}, {"reference", run_reference}};

}  // namespace

std::span<const Implementation<EltwiseArgs>> eltwise_implementations() {
  return kEltwiseImplementations;
}

std::optional<kernels::Activation> activation_kernel(Eltwise function) {
  using kernels::Activation;
  switch (function) {
    case Eltwise::gelu_erf:
      return Activation::gelu_erf;
    case Eltwise::gelu_tanh:
      return Activation::gelu_tanh;
    case Eltwise::mish:
      return Activation::mish;
    case Eltwise::sigmoid:
      return Activation::sigmoid;
    case Eltwise::silu:
      return Activation::silu;
    default:
      return std::nullopt;
  }
}

Tensor eltwise(Eltwise function, const Tensor& x, float alpha, float beta) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "eltwise: expected a floating dtype, got {}", x.dtype());
  EltwiseArgs args{function, x, Tensor::empty(x.shape(), x.dtype()), alpha, beta};
  run_first(eltwise_implementations(), args);
  return args.dst;
}

}  // namespace quern::ops
