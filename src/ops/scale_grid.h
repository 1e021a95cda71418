#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "core/parallel.h"
#include "quern/ops/quantization.h"

namespace quern::ops {

/// Which scale and zero point each element of a quantised tensor has, both in f32.
class ScaleGrid {
 public:
  /// Throws: `invalid_argument` where they do not fit `shape`.
  ScaleGrid(const char* operation, const Shape& shape, const Tensor& scale,
            const std::optional<Tensor>& zero_point, const ScaleAxis& along);

  /// Calls body(begin, count, scales, zeros, step) for runs of elements in row-major order, whose
  /// i-th has scales[i * step]; in parallel.
  template <class Body>
  void for_each_run(const Body& body) const {
    const float* scales = scale_.data<float>().data();
    const float* zeros = zero_.data<float>().data();
    parallel_for(outer_ * size_ * inner_, 16384, [&](std::int64_t begin, std::int64_t end) {
      while (begin < end) {
        const std::int64_t count = std::min(inner_ - begin % inner_, end - begin);
        const std::int64_t at = scale_index(begin);
        body(begin, count, scales + at, zeros + at, step_);
        begin += count;
      }
    });
  }

 private:
  std::int64_t block_count() const;
  std::int64_t scale_index(std::int64_t element) const;

  Tensor scale_, zero_;
  std::int64_t outer_ = 1, size_ = 1, inner_ = 1;  // the tensor as [outer, size, inner]
  std::int64_t block_ = 0;
  std::int64_t step_ = 0;
};

}  // namespace quern::ops
