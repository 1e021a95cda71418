#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "core/visit.h"
#include "ops/axis.h"
#include "quern/ops/image.h"

namespace quern::ops {
namespace {

constexpr int kMaxAxes = 3;
constexpr int kMaxTaps = 4;

/// Elements of one axis and their weights; one at -1 is a zero beyond the ends.
struct AxisTaps {
  int count = 1;
  std::array<std::int64_t, kMaxTaps> places{};
  std::array<double, kMaxTaps> weights{1};
};

double reflected(double at, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double distance = std::fmod(std::abs(at - low), 2 * range);
  return low + (distance <= range ? distance : 2 * range - distance);
}

class AxisSampler {
 public:
  AxisSampler(std::int64_t size, const GridSampleOptions& options)
      : size_(size), options_(options) {
    const auto length = static_cast<double>(size);
    low_ = options.align_corners ? 0 : -0.5;
    high_ = options.align_corners ? length - 1 : length - 0.5;
  }

  AxisTaps operator()(double place) const {
    const auto length = static_cast<double>(size_);
    double at =
        options_.align_corners ? (place + 1) / 2 * (length - 1) : ((place + 1) * length - 1) / 2;
    // NaN is nowhere, and so far out nothing differs any more.
    constexpr double kFar = 0x1p40;
    at = std::isnan(at) ? -kFar : std::clamp(at, -kFar, kFar);
    if (options_.interpolation == Interpolation::nearest) at = std::nearbyint(at);
    if (at < low_ || at > high_) {
      // Cubic ones pad each neighbour, as PyTorch does.
      const bool clamps = options_.interpolation != Interpolation::cubic;
      if (options_.padding == SamplePadding::border && clamps) at = std::clamp(at, 0.0, length - 1);
      if (options_.padding == SamplePadding::reflection) at = reflected(at, low_, high_);
    }
    return taps_at(at);
  }

 private:
  AxisTaps taps_at(double at) const {
    AxisTaps taps;
    if (options_.interpolation == Interpolation::nearest) {
      taps.places[0] = padded(static_cast<std::int64_t>(std::nearbyint(at)));
      return taps;
    }
    const auto floor = static_cast<std::int64_t>(std::floor(at));
    const double rest = at - static_cast<double>(floor);
    if (options_.interpolation == Interpolation::linear) {
      taps.count = 2;
      taps.weights = {1 - rest, rest};
      for (int k = 0; k < 2; ++k) taps.places[static_cast<unsigned>(k)] = padded(floor + k);
      return taps;
    }
    taps.count = 4;
    taps.weights = {cubic(1 + rest), cubic(rest), cubic(1 - rest), cubic(2 - rest)};
    for (int k = 0; k < 4; ++k) taps.places[static_cast<unsigned>(k)] = padded(floor - 1 + k);
    return taps;
  }

  static double cubic(double x) {
    constexpr double a = -0.75;
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return ((x - 5) * x + 8) * x * a - 4 * a;
  }

  std::int64_t padded(std::int64_t place) const {
    if (place >= 0 && place < size_) return place;
    switch (options_.padding) {
      case SamplePadding::border:
        return std::clamp<std::int64_t>(place, 0, size_ - 1);
      case SamplePadding::reflection: {
        const double at = reflected(static_cast<double>(place), low_, high_);
        return std::clamp<std::int64_t>(static_cast<std::int64_t>(at), 0, size_ - 1);
      }
      default:
        return -1;
    }
  }

  std::int64_t size_;
  const GridSampleOptions& options_;
  double low_, high_;
};

/// Places within one channel and their weights.
struct PointTaps {
  int count = 0;
  std::array<std::int64_t, 64> offsets;
  std::array<double, 64> weights;
};

void combine(std::span<const AxisTaps> axes, const Shape& spatial, PointTaps& point) {
  point.count = 1;
  point.offsets[0] = 0;
  point.weights[0] = 1;
  for (std::size_t axis = 0; axis < axes.size(); ++axis) {
    PointTaps next;
    for (int p = 0; p < point.count; ++p) {
      for (int k = 0; k < axes[axis].count; ++k) {
        const std::int64_t place = axes[axis].places[static_cast<unsigned>(k)];
        const double weight =
            point.weights[static_cast<unsigned>(p)] * axes[axis].weights[static_cast<unsigned>(k)];
        if (place < 0 || weight == 0) continue;
        next.offsets[static_cast<unsigned>(next.count)] =
            point.offsets[static_cast<unsigned>(p)] * spatial[static_cast<int>(axis)] + place;
        next.weights[static_cast<unsigned>(next.count++)] = weight;
      }
    }
    point = next;
  }
}

struct Sampling {
  Shape spatial;
  std::int64_t batch, channels, points;
};

template <class T>
void sample(const T* x, const T* grid, T* dst, const Sampling& s,
            const GridSampleOptions& options) {
  const int rank = s.spatial.rank();
  const std::int64_t size = s.spatial.numel();
  std::vector<AxisSampler> samplers;
  for (const std::int64_t dim : s.spatial) samplers.emplace_back(dim, options);
  parallel_for(s.batch * s.points, 64, [&](std::int64_t begin, std::int64_t end) {
    std::array<AxisTaps, kMaxAxes> axes;
    PointTaps taps;
    for (std::int64_t i = begin; i < end; ++i) {
      for (int axis = 0; axis < rank; ++axis)
        axes[static_cast<unsigned>(axis)] = samplers[static_cast<unsigned>(axis)](
            static_cast<double>(grid[i * rank + rank - 1 - axis]));
      combine(std::span(axes).first(static_cast<std::size_t>(rank)), s.spatial, taps);
      const std::int64_t batch = i / s.points;
      for (std::int64_t channel = batch * s.channels; channel < (batch + 1) * s.channels;
           ++channel) {
        double sum = 0;
        for (int k = 0; k < taps.count; ++k)
          sum += static_cast<double>(x[channel * size + taps.offsets[static_cast<unsigned>(k)]]) *
                 taps.weights[static_cast<unsigned>(k)];
        dst[channel * s.points + i % s.points] = T(static_cast<Compute<T>>(sum));
      }
    }
  });
}

}  // namespace

Tensor grid_sample(const Tensor& x, const Tensor& grid, const GridSampleOptions& options) {
  const int rank = x.rank() - 2;
  require(rank >= 1 && rank <= kMaxAxes && grid.rank() == x.rank() && grid.dim(-1) == rank &&
              grid.dim(0) == x.dim(0),
          "grid_sample: grid {} for shape {}", grid.shape(), x.shape());
  Sampling s{{}, x.dim(0), x.dim(1), 1};
  Shape shape{s.batch, s.channels};
  for (int axis = 0; axis < rank; ++axis) {
    s.spatial.push_back(x.shape()[axis + 2]);
    shape.push_back(grid.shape()[axis + 1]);
  }
  s.points = elements(shape, 2, shape.rank());
  const Tensor image = x.contiguous();
  const Tensor places = grid.cast(x.dtype()).contiguous();
  Tensor dst = Tensor::empty(shape, x.dtype());
  if (dst.numel() == 0) return dst;
  require(x.numel() > 0, "grid_sample: nothing to sample in shape {}", x.shape());
  visit_floating("grid_sample", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    sample(image.data<T>().data(), places.data<T>().data(), dst.mutable_data<T>().data(), s,
           options);
  });
  return dst;
}

Tensor affine_grid(const Tensor& theta, const Shape& sizes, bool align_corners) {
  const int rank = sizes.rank() - 2;
  require(rank >= 1 && rank <= kMaxAxes && theta.shape() == Shape{sizes[0], rank, rank + 1},
          "affine_grid: theta {} for sizes {}", theta.shape(), sizes);
  require(theta.dtype() == DType::f32 || theta.dtype() == DType::f64,
          "affine_grid: expected f32 or f64, got {}", theta.dtype());
  Shape shape{sizes[0]};
  for (int axis = 0; axis < rank; ++axis) shape.push_back(sizes[axis + 2]);
  const std::int64_t points = elements(shape, 1, shape.rank());
  shape.push_back(rank);
  Tensor dst = Tensor::empty(shape, DType::f64);
  const Tensor wide = theta.cast(DType::f64).contiguous();
  const double* matrices = wide.data<double>().data();
  double* to = dst.mutable_data<double>().data();
  parallel_for(sizes[0] * points, 1 << 12, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::array<double, kMaxAxes + 1> place{};
      std::int64_t rest = i % points;
      // Of the last axis first, and a one for the offset.
      for (int k = 0; k < rank; ++k) {
        const std::int64_t size = sizes[sizes.rank() - 1 - k];
        const auto length = static_cast<double>(size);
        const auto at = static_cast<double>(rest % size);
        rest /= size;
        place[static_cast<unsigned>(k)] = !align_corners ? (2 * at + 1) / length - 1
                                          : size == 1    ? 0
                                                         : 2 * at / (length - 1) - 1;
      }
      place[static_cast<unsigned>(rank)] = 1;
      const double* matrix = matrices + i / points * rank * (rank + 1);
      for (int row = 0; row < rank; ++row) {
        double sum = 0;
        for (int k = 0; k <= rank; ++k)
          sum += matrix[row * (rank + 1) + k] * place[static_cast<unsigned>(k)];
        to[i * rank + row] = sum;
      }
    }
  });
  return dst.cast(theta.dtype());
}

}  // namespace quern::ops
