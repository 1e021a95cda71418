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
template <class Sum, class T, class Value>
double sum_of(const T* values, std::int64_t size, const Value& value) {
  constexpr std::int64_t kChains = 16;
  Sum chains[kChains] = {};
  std::int64_t i = 0;
  for (; i + kChains <= size; i += kChains) {
    for (std::int64_t j = 0; j < kChains; ++j) chains[j] += value(values[i + j]);
  }
  for (; i < size; ++i) chains[0] += value(values[i]);
  double total = 0;
  for (const Sum chain : chains) total += static_cast<double>(chain);
  return total;
}

/// For each plane of `size` elements the sum of `value(plane, element)`, by pieces that threads
/// share, each summed in the dtype of Sum.
template <class Sum, class T, class Value>
std::vector<double> sums_of(const T* src, std::int64_t planes, std::int64_t size,
                            const Value& value) {
  constexpr std::int64_t kPiece = 1024;
  const std::int64_t pieces = (size + kPiece - 1) / kPiece;
  std::vector<double> parts(static_cast<std::size_t>(planes * pieces));
  parallel_for(planes * pieces, grain_of(std::min(kPiece, size)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   const std::int64_t plane = i / pieces;
                   const std::int64_t first = i % pieces * kPiece;
                   parts[static_cast<std::size_t>(i)] =
                       sum_of<Sum>(src + plane * size + first, std::min(kPiece, size - first),
                                   [&](T element) { return value(plane, element); });
                 }
               });
  std::vector<double> sums(static_cast<std::size_t>(planes));
  for (std::size_t i = 0; i < parts.size(); ++i)
    sums[i / static_cast<std::size_t>(pieces)] += parts[i];
  return sums;
}

/// Of each plane the mean, and 1 / sqrt(variance + epsilon).
struct Moments {
  std::vector<double> means, factors;
};

template <class T>
Moments moments_of(const T* src, std::int64_t planes, std::int64_t size, float epsilon) {
  const auto count = static_cast<double>(size);
  Moments found;
  // In f64: a mean may be far larger than what elements are from it.
  found.means = sums_of<double>(
      src, planes, size, [](std::int64_t, T element) { return static_cast<double>(element); });
  for (double& mean : found.means) mean /= count;
  found.factors = sums_of<T>(src, planes, size, [&](std::int64_t plane, T element) {
    const T apart = element - static_cast<T>(found.means[static_cast<std::size_t>(plane)]);
    return apart * apart;
  });
  for (double& factor : found.factors)
    factor = 1 / std::sqrt(factor / count + static_cast<double>(epsilon));
  return found;
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
  if (x.numel() == 0) return Tensor::empty(x.shape(), x.dtype());
  const std::int64_t channels = x.dim(1) / groups;
  const std::int64_t planes = x.dim(0) * groups;
  const Tensor src = x.cast(wide_of(x.dtype())).contiguous();
  Moments moments;
  visit_floating("group_norm", src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_floating_point_v<T>)
      moments = moments_of(src.data<T>().data(), planes, x.numel() / planes, epsilon);
  });
  const Tensor normed =
      map_planes(src, planes * channels,
                 [&](const auto* from, auto* dst, std::int64_t size, std::int64_t row) {
                   using T = std::remove_reference_t<decltype(*dst)>;
                   const auto plane = static_cast<std::size_t>(row / channels);
                   const auto channel = static_cast<std::size_t>(row % x.dim(1));
                   const T scaled = static_cast<T>(moments.factors[plane] * scales[channel]);
                   const T center = static_cast<T>(moments.means[plane]);
                   const T offset = static_cast<T>(shifts[channel]);
                   for (std::int64_t i = 0; i < size; ++i)
                     dst[i] = (from[i] - center) * scaled + offset;
                 });
  return normed.cast(x.dtype());
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
