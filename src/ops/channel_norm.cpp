#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "core/visit.h"
#include "ops/axis.h"
#include "quern/ops/normalization.h"

namespace quern::ops {
namespace {

DType wide_of(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

void check_channels(const char* name, const Tensor& x) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "{}: expected a floating dtype, got {}", name, x.dtype());
  require(x.rank() >= 2, "{}: expected [batch, channels, ...], got {}", name, x.shape());
}

/// Values of the channels in f64.
std::vector<double> of_channels(const char* name, const char* what, const Tensor& values,
                                const Tensor& x) {
  require(values.shape() == Shape{x.dim(1)}, "{}: {} has shape {}, expected [{}]", name, what,
          values.shape(), x.dim(1));
  require(is_floating(values.dtype()), "{}: {} has dtype {}", name, what, values.dtype());
  const Tensor wide = values.cast(DType::f64).contiguous();
  const auto span = wide.data<double>();
  return {span.begin(), span.end()};
}

std::vector<double> of_channels(const char* name, const char* what,
                                const std::optional<Tensor>& values, const Tensor& x,
                                double otherwise) {
  if (values) return of_channels(name, what, *values, x);
  return std::vector<double>(static_cast<std::size_t>(x.dim(1)), otherwise);
}

/// Calls `body(T{}, src, dst, plane)` for each channel of each sample, in f32 or f64; `plane`
/// counts from 0, and src and dst hold its `size` elements.
template <class Body>
Tensor map_planes(const Tensor& x, std::int64_t planes, const Body& body) {
  const Tensor src = x.cast(wide_of(x.dtype())).contiguous();
  Tensor dst = Tensor::empty(x.shape(), src.dtype());
  if (x.numel() == 0) return dst.cast(x.dtype());
  const std::int64_t size = x.numel() / planes;
  visit_floating("norm", src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_floating_point_v<T>) {
      const T* from = src.data<T>().data();
      T* to = dst.mutable_data<T>().data();
      parallel_for(planes, grain_of(size), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t plane = begin; plane < end; ++plane)
          body(from + plane * size, to + plane * size, size, plane);
      });
    }
  });
  return dst.cast(x.dtype());
}

/// The sum of `value(element)`, in several chains so that it is compiled to vectors.
template <class T, class Value>
double sum_of(const T* values, std::int64_t size, const Value& value) {
  constexpr std::int64_t kChains = 8;
  double chains[kChains] = {};
  std::int64_t i = 0;
  for (; i + kChains <= size; i += kChains) {
    for (std::int64_t j = 0; j < kChains; ++j)
      chains[j] += value(static_cast<double>(values[i + j]));
  }
  for (; i < size; ++i) chains[0] += value(static_cast<double>(values[i]));
  double total = 0;
  for (const double chain : chains) total += chain;
  return total;
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& mean,
                  const Tensor& variance, float epsilon) {
  check_channels("batch_norm", x);
  std::vector<double> factors = of_channels("batch_norm", "scale", scale, x);
  const auto shifts = of_channels("batch_norm", "shift", shift, x);
  const auto means = of_channels("batch_norm", "mean", mean, x);
  const auto variances = of_channels("batch_norm", "variance", variance, x);
  for (std::size_t i = 0; i < factors.size(); ++i)
    factors[i] /= std::sqrt(variances[i] + static_cast<double>(epsilon));
  return map_planes(x, x.dim(0) * x.dim(1),
                    [&](const auto* src, auto* dst, std::int64_t size, std::int64_t plane) {
                      using T = std::remove_reference_t<decltype(*dst)>;
                      const auto channel = static_cast<std::size_t>(plane % x.dim(1));
                      const T center = static_cast<T>(means[channel]);
                      const T factor = static_cast<T>(factors[channel]);
                      const T offset = static_cast<T>(shifts[channel]);
                      for (std::int64_t i = 0; i < size; ++i)
                        dst[i] = (src[i] - center) * factor + offset;
                    });
}

Tensor group_norm(const Tensor& x, std::int64_t groups, const std::optional<Tensor>& scale,
                  const std::optional<Tensor>& shift, float epsilon) {
  check_channels("group_norm", x);
  require(groups > 0 && x.dim(1) % groups == 0, "group_norm: {} groups do not divide {} channels",
          groups, x.dim(1));
  const auto scales = of_channels("group_norm", "scale", scale, x, 1.0);
  const auto shifts = of_channels("group_norm", "shift", shift, x, 0.0);
  const std::int64_t channels = x.dim(1) / groups;
  return map_planes(
      x, x.dim(0) * groups, [&](const auto* src, auto* dst, std::int64_t size, std::int64_t plane) {
        using T = std::remove_reference_t<decltype(*dst)>;
        const auto count = static_cast<double>(size);
        const double mean = sum_of(src, size, [](double value) { return value; }) / count;
        const double variance =
            sum_of(src, size, [=](double v) { return (v - mean) * (v - mean); }) / count;
        const double factor = 1 / std::sqrt(variance + static_cast<double>(epsilon));
        const std::int64_t places = size / channels;
        for (std::int64_t c = 0; c < channels; ++c) {
          const auto channel = static_cast<std::size_t>(plane % groups * channels + c);
          const T scaled = static_cast<T>(factor * scales[channel]);
          const T center = static_cast<T>(mean);
          const T offset = static_cast<T>(shifts[channel]);
          for (std::int64_t i = c * places; i < (c + 1) * places; ++i)
            dst[i] = (src[i] - center) * scaled + offset;
        }
      });
}

Tensor instance_norm(const Tensor& x, const std::optional<Tensor>& scale,
                     const std::optional<Tensor>& shift, float epsilon) {
  check_channels("instance_norm", x);
  if (x.dim(1) == 0) return Tensor::empty(x.shape(), x.dtype());
  return group_norm(x, x.dim(1), scale, shift, epsilon);
}

Tensor lrn(const Tensor& x, const LrnOptions& options) {
  check_channels("lrn", x);
  require(options.size > 0, "lrn: size {} must be positive", options.size);
  const std::int64_t channels = x.dim(1);
  return map_planes(x, x.dim(0), [&](const auto* src, auto* dst, std::int64_t size, std::int64_t) {
    using T = std::remove_reference_t<decltype(*dst)>;
    const std::int64_t places = size / channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t first = std::max<std::int64_t>(c - (options.size - 1) / 2, 0);
      const std::int64_t last = std::min(c + options.size / 2, channels - 1);
      for (std::int64_t i = 0; i < places; ++i) {
        double total = 0;
        for (std::int64_t at = first; at <= last; ++at) {
          const auto value = static_cast<double>(src[at * places + i]);
          total += value * value;
        }
        const double base =
            static_cast<double>(options.bias) +
            static_cast<double>(options.alpha) * total / static_cast<double>(options.size);
        const std::int64_t at = c * places + i;
        dst[at] = static_cast<T>(static_cast<double>(src[at]) *
                                 std::pow(base, -static_cast<double>(options.beta)));
      }
    }
  });
}

}  // namespace quern::ops
