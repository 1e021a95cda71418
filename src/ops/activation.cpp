#include <algorithm>
#include <cmath>

#include "kernels/activation.h"
#include "ops/elements.h"
#include "ops/eltwise.h"
#include "ops/wrapping.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

using backend::Eltwise;

template <class T>
T sigmoid_of(T x) {
  return T{1} / (T{1} + std::exp(-x));
}

/// A scalar of x's dtype.
Tensor zero_like(const Tensor& x) { return Tensor::zeros({}, x.dtype()); }

template <class T>
T shrunk(T x, double lambda, double bias) {
  const auto value = static_cast<double>(x);
  if (value < -lambda) return static_cast<T>(value + bias);
  if (value > lambda) return static_cast<T>(value - bias);
  return value != value ? x : T{0};
}

}  // namespace

Tensor sigmoid(const Tensor& x) { return eltwise(Eltwise::sigmoid, x); }

Tensor relu(const Tensor& x) {
  return is_floating(x.dtype()) ? eltwise(Eltwise::relu, x) : maximum(x, zero_like(x));
}

Tensor leaky_relu(const Tensor& x, float slope) { return eltwise(Eltwise::relu, x, slope); }

Tensor prelu(const Tensor& x, const Tensor& slope) {
  require_same_dtype("prelu", x, slope);
  require(broadcast_shapes(x.shape(), slope.shape()) == x.shape(),
          "prelu: slope {} does not broadcast to {}", slope.shape(), x.shape());
  Tensor dst;
  visit_numeric("prelu", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>) {
      fail(ErrorCode::unsupported, "prelu: expected numbers, got bool");
    } else {
      using Wide = Compute<T>;
      dst = zip_elements<T, T, T>(x, slope, [](Wide value, Wide factor) {
        const Wide scaled = times(factor, value);  // at once, without a branch
        return value < 0 ? scaled : value;
      });
    }
  });
  return dst;
}

Tensor thresholded_relu(const Tensor& x, float alpha) {
  return map_floating("thresholded_relu", x, [alpha](auto value) {
    return value > alpha || value != value ? value : decltype(value){0};
  });
}

Tensor elu(const Tensor& x, float alpha) { return eltwise(Eltwise::elu, x, alpha); }

Tensor celu(const Tensor& x, float alpha) {
  require(alpha != 0, "celu: alpha is 0");
  return map_floating("celu", x, [alpha](auto value) {
    return value < 0 ? alpha * std::expm1(value / alpha) : value;
  });
}

Tensor selu(const Tensor& x, float alpha, float gamma) {
  return map_floating("selu", x, [=](auto value) {
    using Wide = decltype(value);  // the product of the constants must not round to f32
    return gamma * (value < 0 ? Wide{alpha} * std::expm1(value) : value);
  });
}

Tensor gelu(const Tensor& x, GeluForm form) {
  return eltwise(form == GeluForm::erf ? Eltwise::gelu_erf : Eltwise::gelu_tanh, x);
}

Tensor silu(const Tensor& x) { return eltwise(Eltwise::silu, x); }

Tensor swish(const Tensor& x, float alpha) {
  if (alpha == 1.f) return silu(x);
  return map_floating("swish", x,
                      [alpha](auto value) { return value * sigmoid_of(alpha * value); });
}

Tensor softplus(const Tensor& x) { return eltwise(Eltwise::softplus, x); }

Tensor softsign(const Tensor& x) {
  return map_floating("softsign", x, [](auto value) { return value / (1 + std::abs(value)); });
}

Tensor mish(const Tensor& x) { return eltwise(Eltwise::mish, x); }

Tensor hardsigmoid(const Tensor& x, float alpha, float beta) {
  return map_floating("hardsigmoid", x, [=](auto value) {
    using Wide = decltype(value);
    return std::clamp<Wide>(alpha * value + beta, Wide{0}, Wide{1});
  });
}

Tensor hardswish(const Tensor& x) { return eltwise(Eltwise::hardswish, x); }

Tensor shrink(const Tensor& x, float lambda, float bias) {
  Tensor dst;
  visit_numeric("shrink", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>) {
      fail(ErrorCode::unsupported, "shrink: expected numbers, got bool");
    } else if constexpr (std::is_integral_v<T>) {
      dst = shrink(x.cast(DType::f64), lambda, bias).cast(x.dtype());
    } else {
      dst = map_elements<T, T>(x, [=](auto value) { return shrunk(value, lambda, bias); });
    }
  });
  return dst;
}

Tensor hardmax(const Tensor& x, int axis) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "hardmax: expected a floating dtype, got {}", x.dtype());
  Tensor dst = Tensor::zeros(x.shape(), x.dtype());
  if (x.numel() == 0) return dst;
  const Tensor best = argmax(x, axis);
  const int along = axis < 0 ? axis + x.rank() : axis;
  const std::int64_t size = x.shape()[along];
  const std::int64_t inner = dst.strides()[along];
  const auto chosen = best.data<std::int64_t>();
  visit_floating("hardmax", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* out = dst.mutable_data<T>().data();
    for (std::int64_t i = 0; i < best.numel(); ++i) {
      const std::int64_t row = i / inner * size + chosen[static_cast<std::size_t>(i)];
      out[row * inner + i % inner] = T(1.f);
    }
  });
  return dst;
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
