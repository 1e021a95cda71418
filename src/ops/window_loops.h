#pragma once

#include <array>

#include "ops/window.h"

namespace quern::ops {

/// The places that windows over three spatial axes see; where there are fewer, they are the last.
struct WindowLoops {
  std::array<std::int64_t, 3> src{1, 1, 1};
  std::array<std::int64_t, 3> dst{1, 1, 1};
  std::array<std::int64_t, 3> kernel{1, 1, 1};

  WindowLoops(const Shape& src_shape, const Shape& dst_shape, const Shape& kernel_sizes,
              const backend::Window& window, bool transposed = false) {
    const int rank = kernel_sizes.rank();
    const auto find = transposed ? transposed_places : window_places;
    for (int axis = 0; axis < rank; ++axis) {
      const auto at = static_cast<std::size_t>(axis + 3 - rank);
      src[at] = src_shape[axis + 2];
      dst[at] = dst_shape[axis + 2];
      kernel[at] = kernel_sizes[axis];
      places_[at] = find(src[at], dst[at], kernel[at], window, axis);
      tables_[at] = places_[at].data<std::int64_t>().data();
    }
  }

  std::int64_t src_plane() const { return src[0] * src[1] * src[2]; }
  std::int64_t dst_plane() const { return dst[0] * dst[1] * dst[2]; }
  std::int64_t window_size() const { return kernel[0] * kernel[1] * kernel[2]; }

  /// Calls `body(place in the source's plane, element of the window)` for what the window of
  /// `place` of the result's plane sees.
  template <class Body>
  void for_each(std::int64_t place, const Body& body) const {
    const std::int64_t* depth = tables_[0] + place / (dst[1] * dst[2]) * kernel[0];
    const std::int64_t* height = tables_[1] + place / dst[2] % dst[1] * kernel[1];
    const std::int64_t* width = tables_[2] + place % dst[2] * kernel[2];
    for (std::int64_t i = 0; i < kernel[0]; ++i) {
      for (std::int64_t j = 0; depth[i] >= 0 && j < kernel[1]; ++j) {
        for (std::int64_t k = 0; height[j] >= 0 && k < kernel[2]; ++k) {
          if (width[k] < 0) continue;
          body((depth[i] * src[1] + height[j]) * src[2] + width[k],
               (i * kernel[1] + j) * kernel[2] + k);
        }
      }
    }
  }

 private:
  static constexpr std::int64_t kOnlyPlace = 0;

  std::array<Tensor, 3> places_;  // of each axis, as `window_places` gives them
  std::array<const std::int64_t*, 3> tables_{&kOnlyPlace, &kOnlyPlace, &kOnlyPlace};
};

}  // namespace quern::ops
