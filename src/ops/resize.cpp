#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/parallel.h"
#include "core/visit.h"
#include "ops/axis.h"
#include "quern/ops/image.h"

namespace quern::ops {
namespace {

/// What each element of a resized axis is made of: `count` elements of the axis, with weights; or
/// the value outside, where all weights are zero and `is_outside` says so.
struct Taps {
  std::int64_t count = 1;
  std::vector<std::int64_t> places;  ///< [size, count]
  std::vector<double> weights;       ///< [size, count]
  std::vector<bool> is_outside;      ///< [size], or empty

  bool outside(std::int64_t i) const {
    return !is_outside.empty() && is_outside[static_cast<std::size_t>(i)];
  }
};

/// One axis that changes.
struct Axis {
  int axis;
  std::int64_t from, to;
  double scale;
  double region_start = 0, region_end = 1;
};

double coordinate(const Axis& a, std::int64_t i, ResizeCoordinates rule) {
  const auto at = static_cast<double>(i);
  const auto from = static_cast<double>(a.from);
  const auto to = static_cast<double>(a.to);
  switch (rule) {
    case ResizeCoordinates::half_pixel:
      return (at + 0.5) / a.scale - 0.5;
    case ResizeCoordinates::half_pixel_symmetric: {
      const double adjustment = to / (a.scale * from);
      return from / 2 * (1 - adjustment) + (at + 0.5) / a.scale - 0.5;
    }
    case ResizeCoordinates::pytorch_half_pixel:
      return a.to == 1 ? 0 : (at + 0.5) / a.scale - 0.5;
    case ResizeCoordinates::align_corners:
      return a.to == 1 ? 0 : at * (from - 1) / (a.scale * from - 1);
    case ResizeCoordinates::asymmetric:
      return at / a.scale;
    case ResizeCoordinates::crop_and_resize:
      break;
  }
  const double length = a.region_end - a.region_start;
  if (a.to == 1) return 0.5 * (a.region_start + a.region_end) * (from - 1);
  return a.region_start * (from - 1) + at * length * (from - 1) / (to - 1);
}

double nearest(double at, double scale, NearestRounding rounding) {
  switch (rounding) {
    case NearestRounding::prefer_floor:
      return std::ceil(at - 0.5);
    case NearestRounding::prefer_ceil:
      return std::floor(at + 0.5);
    case NearestRounding::floor:
      return std::floor(at);
    case NearestRounding::ceil:
      return std::ceil(at);
    case NearestRounding::outward:
      return scale < 1 ? std::ceil(at) : std::floor(at);
  }
  return at;
}

/// Of an element `distance` away.
double weight_of(double distance, const ResizeOptions& options) {
  const double x = std::abs(distance);
  if (options.interpolation == Interpolation::linear) return std::max(0.0, 1 - x);
  const double a = options.cubic_coefficient;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((x - 5) * x + 8) * x * a - 4 * a;
  return 0;
}

/// Weights of the elements from `first` on for an element at `at`.
void add_weights(const Axis& a, double at, std::int64_t first, double squeeze,
                 const ResizeOptions& options, Taps& taps) {
  const std::size_t start = taps.weights.size();
  double sum = 0;
  for (std::int64_t k = 0; k < taps.count; ++k) {
    const std::int64_t place = first + k;
    const bool inside = place >= 0 && place < a.from;
    const double weight = options.exclude_outside && !inside
                              ? 0
                              : weight_of((static_cast<double>(place) - at) * squeeze, options);
    taps.places.push_back(std::clamp<std::int64_t>(place, 0, a.from - 1));
    taps.weights.push_back(weight);
    sum += weight;
  }
  const bool normalises = options.antialias || options.exclude_outside;
  if (!normalises || sum == 0) return;
  for (std::size_t k = start; k < taps.weights.size(); ++k) taps.weights[k] /= sum;
}

Taps taps_of(const Axis& a, const ResizeOptions& options) {
  const double squeeze = options.antialias ? std::min(1.0, a.scale) : 1.0;
  const std::int64_t reach = options.interpolation == Interpolation::linear ? 1 : 2;
  // Elements nearer than reach / squeeze, on either side.
  const double radius = std::min(static_cast<double>(reach) / squeeze, 0x1p40);
  const auto before = -static_cast<std::int64_t>(std::floor(-radius) + 1);
  Taps taps;
  if (options.interpolation != Interpolation::nearest) taps.count = 2 * before + 2;
  require(taps.count <= 4 * a.from + 8, "resize: a scale of {} for an axis of size {}", a.scale,
          a.from);
  const std::size_t cells = static_cast<std::size_t>(taps.count) * static_cast<std::size_t>(a.to);
  taps.places.reserve(cells);
  taps.weights.reserve(cells);
  for (std::int64_t i = 0; i < a.to; ++i) {
    const double exact = coordinate(a, i, options.coordinates);
    // Beyond the ends by more than this, all neighbours are the end.
    const auto far = static_cast<double>(a.from) + 4 + static_cast<double>(taps.count);
    const double at = std::isnan(exact) ? 0 : std::clamp(exact, -far, far);
    if (options.coordinates == ResizeCoordinates::crop_and_resize)
      taps.is_outside.push_back(at < 0 || at > static_cast<double>(a.from - 1));
    if (options.interpolation == Interpolation::nearest) {
      const auto place = static_cast<std::int64_t>(nearest(at, a.scale, options.rounding));
      taps.places.push_back(std::clamp<std::int64_t>(place, 0, a.from - 1));
      taps.weights.push_back(1);
    } else {
      add_weights(a, at, static_cast<std::int64_t>(std::floor(at)) - before, squeeze, options,
                  taps);
    }
  }
  return taps;
}

/// The axis of src [outer, from, inner] made dst [outer, to, inner].
struct AxisPass {
  std::int64_t outer, from, to, inner;
};

template <class T>
void take_nearest(const T* from, T* to, const AxisPass& pass, const Taps& taps) {
  parallel_for(pass.outer, grain_of(pass.to * pass.inner),
               [&](std::int64_t begin, std::int64_t end) {
                 const std::int64_t* places = taps.places.data();
                 for (std::int64_t o = begin; o < end; ++o) {
                   const T* src = from + o * pass.from * pass.inner;
                   T* dst = to + o * pass.to * pass.inner;
                   if (pass.inner == 1) {
                     for (std::int64_t i = 0; i < pass.to; ++i) dst[i] = src[places[i]];
                     continue;
                   }
                   for (std::int64_t i = 0; i < pass.to; ++i)
                     std::copy_n(src + places[i] * pass.inner, pass.inner, dst + i * pass.inner);
                 }
               });
}

/// dst = weighted sum of rows of src.
template <class T>
void sum_rows(const T* src, T* dst, std::int64_t inner, const std::int64_t* places,
              const T* weights, std::int64_t count) {
  const T* first = src + places[0] * inner;
  if (count == 2) {
    const T* second = src + places[1] * inner;
    for (std::int64_t j = 0; j < inner; ++j)
      dst[j] = first[j] * weights[0] + second[j] * weights[1];
    return;
  }
  for (std::int64_t j = 0; j < inner; ++j) dst[j] = first[j] * weights[0];
  for (std::int64_t k = 1; k < count; ++k) {
    const T* row = src + places[k] * inner;
    for (std::int64_t j = 0; j < inner; ++j) dst[j] += row[j] * weights[k];
  }
}

/// The same of rows of one element, for all of an axis.
template <class T>
void sum_elements(const T* src, T* dst, std::int64_t size, const std::int64_t* places,
                  const T* weights, std::int64_t count) {
  if (count == 2) {
    for (std::int64_t i = 0; i < size; ++i)
      dst[i] = src[places[2 * i]] * weights[2 * i] + src[places[2 * i + 1]] * weights[2 * i + 1];
    return;
  }
  for (std::int64_t i = 0; i < size; ++i) {
    T sum = 0;
    for (std::int64_t k = i * count; k < (i + 1) * count; ++k) sum += src[places[k]] * weights[k];
    dst[i] = sum;
  }
}

template <class T>
void interpolate(const T* from, T* to, const AxisPass& pass, const Taps& taps, T outside) {
  const std::vector<T> weights(taps.weights.begin(), taps.weights.end());
  const std::int64_t count = taps.count;
  parallel_for(pass.outer, grain_of(pass.to * pass.inner * count),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t o = begin; o < end; ++o) {
                   const T* src = from + o * pass.from * pass.inner;
                   T* dst = to + o * pass.to * pass.inner;
                   if (pass.inner == 1 && taps.is_outside.empty()) {
                     sum_elements(src, dst, pass.to, taps.places.data(), weights.data(), count);
                     continue;
                   }
                   for (std::int64_t i = 0; i < pass.to; ++i, dst += pass.inner) {
                     if (taps.outside(i)) {
                       std::fill_n(dst, pass.inner, outside);
                     } else {
                       sum_rows(src, dst, pass.inner, taps.places.data() + i * count,
                                weights.data() + i * count, count);
                     }
                   }
                 }
               });
}

Tensor resize_axis(const Tensor& x, const Axis& a, const ResizeOptions& options) {
  const AxisPass pass{elements(x.shape(), 0, a.axis), a.from, a.to,
                      elements(x.shape(), a.axis + 1, x.rank())};
  Shape shape = x.shape();
  shape[a.axis] = a.to;
  Tensor dst = Tensor::empty(shape, x.dtype());
  if (dst.numel() == 0) return dst;
  const Taps taps = taps_of(a, options);
  const bool has_outside = std::ranges::find(taps.is_outside, true) != taps.is_outside.end();
  if (options.interpolation == Interpolation::nearest && !has_outside) {
    visit_storage(x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      take_nearest(static_cast<const T*>(x.raw()), static_cast<T*>(dst.mutable_raw()), pass, taps);
    });
  } else if (x.dtype() == DType::f64) {
    interpolate(x.data<double>().data(), dst.mutable_data<double>().data(), pass, taps,
                static_cast<double>(options.outside));
  } else {
    interpolate(x.data<float>().data(), dst.mutable_data<float>().data(), pass, taps,
                options.outside);
  }
  return dst;
}

/// Axes in the order of their strides, the longest first: a view in that order has its elements in
/// a row where `x` is an image of any layout.
Shape order_in_memory(const Tensor& x) {
  Shape order;
  for (int axis = 0; axis < x.rank(); ++axis) order.push_back(axis);
  std::vector<int> axes(static_cast<std::size_t>(x.rank()));
  std::iota(axes.begin(), axes.end(), 0);
  std::ranges::stable_sort(axes, std::greater<>(), [&](int axis) {
    return x.shape()[axis] == 1 ? std::numeric_limits<std::int64_t>::max()
                                : std::abs(x.strides()[axis]);
  });
  for (int i = 0; i < x.rank(); ++i) order[i] = axes[static_cast<std::size_t>(i)];
  return x.permute(order).is_contiguous() ? order : Shape();
}

std::vector<Axis> changed_axes(const Tensor& x, const Shape& sizes, const ResizeOptions& options) {
  const auto rank = static_cast<std::size_t>(x.rank());
  const bool crops = options.coordinates == ResizeCoordinates::crop_and_resize;
  require(sizes.rank() == x.rank() && (options.scales.empty() || options.scales.size() == rank),
          "resize: sizes {} for shape {}", sizes, x.shape());
  require(!crops || (options.region_starts.size() == rank && options.region_ends.size() == rank),
          "resize: expected a region of {} axes, got {} and {}", rank, options.region_starts.size(),
          options.region_ends.size());
  std::vector<Axis> axes;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    Axis a{axis, x.shape()[axis], sizes[axis], 1};
    require(a.to >= 0 && (a.from > 0 || a.to == 0), "resize: shape {} to {}", x.shape(), sizes);
    if (a.from == 0) continue;
    a.scale = options.scales.empty() ? static_cast<double>(a.to) / static_cast<double>(a.from)
                                     : options.scales[i];
    require(a.scale > 0 || a.to == 0, "resize: a scale of {}", a.scale);
    if (crops) {
      a.region_start = options.region_starts[i];
      a.region_end = options.region_ends[i];
    }
    const bool is_whole = a.region_start == 0 && a.region_end == 1;
    if (a.from != a.to || a.scale != 1 || !is_whole) axes.push_back(a);
  }
  return axes;
}

}  // namespace

Tensor resize(const Tensor& x, const Shape& sizes, const ResizeOptions& options) {
  std::vector<Axis> axes = changed_axes(x, sizes, options);
  if (x.numel() == 0) return Tensor::empty(sizes, x.dtype());
  if (axes.empty()) return x.clone();
  const bool moves_only = options.interpolation == Interpolation::nearest &&
                          options.coordinates != ResizeCoordinates::crop_and_resize;
  const bool is_wide = x.dtype() == DType::f32 || x.dtype() == DType::f64;
  Tensor y = moves_only || is_wide ? x : x.cast(DType::f32);
  const Shape order = order_in_memory(y);
  Shape place_of = order;
  for (int i = 0; i < order.rank(); ++i) place_of[static_cast<int>(order[i])] = i;
  y = order.rank() > 0 ? y.permute(order) : y.contiguous();
  // The fewer elements an axis leaves, the earlier it goes.
  std::ranges::stable_sort(axes, [](const Axis& a, const Axis& b) {
    const auto growth = [](const Axis& axis) {
      return static_cast<double>(axis.to) / static_cast<double>(axis.from);
    };
    return growth(a) < growth(b);
  });
  for (Axis a : axes) {
    if (order.rank() > 0) a.axis = static_cast<int>(place_of[a.axis]);
    y = resize_axis(y, a, options);
  }
  return (order.rank() > 0 ? y.permute(place_of) : y).cast(x.dtype());
}

}  // namespace quern::ops
