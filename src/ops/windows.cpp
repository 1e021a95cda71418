#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "core/visit.h"
#include "ops/axis.h"
#include "quern/ops/elementwise.h"
#include "quern/ops/image.h"
#include "quern/ops/linear_algebra.h"

namespace quern::ops {
namespace {

/// One spatial axis of a window that moves.
struct WindowAxis {
  std::int64_t image, block, stride, dilation, before, count;  ///< count: of places
};

std::vector<WindowAxis> window_axes(const char* operation, const Shape& image, const Shape& block,
                                    const WindowOptions& options) {
  const auto rank = static_cast<std::size_t>(image.rank());
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  const auto is_list = [&](const std::vector<std::int64_t>& list, std::size_t size,
                           std::int64_t least) {
    return list.empty() || (list.size() == size && std::ranges::all_of(list, [&](std::int64_t v) {
                              return v >= least && v < kMost;
                            }));
  };
  require(block.rank() == image.rank() && is_list(options.strides, rank, 1) &&
              is_list(options.dilations, rank, 1) && is_list(options.pads, 2 * rank, 0),
          "{}: strides, dilations and pads do not fit an image {}", operation, image);
  std::vector<WindowAxis> axes;
  for (std::size_t i = 0; i < rank; ++i) {
    const auto at = [i](const std::vector<std::int64_t>& list, std::int64_t fallback) {
      return list.empty() ? fallback : list[i];
    };
    const int axis = static_cast<int>(i);
    WindowAxis a{image[axis],
                 block[axis],
                 at(options.strides, 1),
                 at(options.dilations, 1),
                 at(options.pads, 0),
                 0};
    require(a.image >= 0 && a.block > 0 && a.image < kMost && a.block < kMost,
            "{}: windows {} of an image {}", operation, block, image);
    const std::int64_t after = options.pads.empty() ? 0 : options.pads[i + rank];
    const std::int64_t room = a.image + a.before + after - a.dilation * (a.block - 1) - 1;
    a.count = room < 0 ? 0 : room / a.stride + 1;
    axes.push_back(a);
  }
  return axes;
}

template <class T>
void add_windows(const T* src, Compute<T>* image, const std::vector<WindowAxis>& axes,
                 std::int64_t block, std::int64_t windows) {
  for (std::int64_t cell = 0; cell < block; ++cell) {
    for (std::int64_t window = 0; window < windows; ++window) {
      std::int64_t offset = 0, size = 1, rest_cell = cell, rest_window = window;
      bool inside = true;
      for (auto a = axes.rbegin(); a != axes.rend(); ++a) {
        const std::int64_t at =
            rest_window % a->count * a->stride + rest_cell % a->block * a->dilation - a->before;
        rest_window /= a->count;
        rest_cell /= a->block;
        inside = inside && at >= 0 && at < a->image;
        offset += at * size;
        size *= a->image;
      }
      if (inside) image[offset] += static_cast<Compute<T>>(src[cell * windows + window]);
    }
  }
}

/// The sizes that one step of a deformable convolution works with.
struct Deformed {
  std::int64_t channels, height, width, cells, points;
  WindowAxis rows, columns;
};

float sampled(const float* plane, const Deformed& d, float y, float x) {
  if (!(y > -1 && x > -1 && y < static_cast<float>(d.height) && x < static_cast<float>(d.width)))
    return 0;
  const float top = std::floor(y), left = std::floor(x);
  float sum = 0;
  for (int k = 0; k < 4; ++k) {
    const float row = top + static_cast<float>(k / 2), column = left + static_cast<float>(k % 2);
    const auto r = static_cast<std::int64_t>(row), c = static_cast<std::int64_t>(column);
    if (r < 0 || c < 0 || r >= d.height || c >= d.width) continue;
    sum += (1 - std::abs(y - row)) * (1 - std::abs(x - column)) * plane[r * d.width + c];
  }
  return sum;
}

/// What the window of each point sees of one channel: to [cells, points].
void sample_channel(const float* plane, const float* offsets, const float* mask, const Deformed& d,
                    float* to) {
  for (std::int64_t cell = 0; cell < d.cells; ++cell) {
    const float* dy = offsets + 2 * cell * d.points;
    const float* dx = dy + d.points;
    for (std::int64_t point = 0; point < d.points; ++point) {
      const std::int64_t row = point / d.columns.count * d.rows.stride - d.rows.before +
                               cell / d.columns.block * d.rows.dilation;
      const std::int64_t column = point % d.columns.count * d.columns.stride - d.columns.before +
                                  cell % d.columns.block * d.columns.dilation;
      const float value = sampled(plane, d, static_cast<float>(row) + dy[point],
                                  static_cast<float>(column) + dx[point]);
      to[cell * d.points + point] = mask == nullptr ? value : value * mask[cell * d.points + point];
    }
  }
}

void require_f32(const Tensor& x) {
  require(x.dtype() == DType::f32, "deform_conv: expected f32, got {}", x.dtype());
}

}  // namespace

Tensor col2im(const Tensor& x, const Shape& image, const Shape& block,
              const WindowOptions& options) {
  const std::vector<WindowAxis> axes = window_axes("col2im", image, block, options);
  std::int64_t windows = 1;
  for (const WindowAxis& a : axes)
    require(!__builtin_mul_overflow(windows, a.count, &windows), "col2im: too many windows");
  const std::int64_t cells = block.numel();
  require(x.rank() == 3 && x.dim(2) == windows && x.dim(1) % cells == 0,
          "col2im: shape {}, expected [batch, channels * {}, {}]", x.shape(), cells, windows);
  const std::int64_t channels = x.dim(1) / cells;
  Shape shape{x.dim(0), channels};
  for (const std::int64_t dim : image) shape.push_back(dim);
  const Tensor src = x.contiguous();
  Tensor dst;
  visit_floating("col2im", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Sum = Compute<T>;
    Tensor sums = Tensor::zeros(shape, dtype_of<Sum>);
    const std::int64_t size = image.numel();
    const T* from = src.data<T>().data();
    Sum* to = sums.mutable_data<Sum>().data();
    parallel_for(x.dim(0) * channels, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        add_windows(from + i * cells * windows, to + i * size, axes, cells, windows);
    });
    dst = sums.cast(x.dtype());
  });
  return dst;
}

Tensor deform_conv(const Tensor& x, const Tensor& weight, const Tensor& offset,
                   const std::optional<Tensor>& bias, const std::optional<Tensor>& mask,
                   const DeformConvOptions& options) {
  require(x.rank() == 4 && weight.rank() == 4, "deform_conv: x {} and weight {}", x.shape(),
          weight.shape());
  for (const Tensor& given : {x, weight, offset, bias.value_or(x), mask.value_or(x)})
    require_f32(given);
  const std::int64_t batch = x.dim(0), channels = x.dim(1), outputs = weight.dim(0);
  const std::int64_t groups = options.groups, offset_groups = options.offset_groups;
  require(groups > 0 && offset_groups > 0 && channels > 0 && channels % groups == 0 &&
              outputs % groups == 0 && channels % offset_groups == 0 &&
              weight.dim(1) == channels / groups,
          "deform_conv: x {} and weight {} in {} and {} groups", x.shape(), weight.shape(), groups,
          offset_groups);
  const auto axes = window_axes("deform_conv", {x.dim(2), x.dim(3)}, {weight.dim(2), weight.dim(3)},
                                options.window);
  const Deformed d{channels / offset_groups,      x.dim(2), x.dim(3), weight.dim(2) * weight.dim(3),
                   axes[0].count * axes[1].count, axes[0],  axes[1]};
  const std::int64_t rows = axes[0].count, columns = axes[1].count;
  require(offset.shape() == Shape{batch, 2 * offset_groups * d.cells, rows, columns} &&
              (!mask || mask->shape() == Shape{batch, offset_groups * d.cells, rows, columns}) &&
              (!bias || bias->shape() == Shape{outputs}),
          "deform_conv: offset {} for {} x {} results", offset.shape(), rows, columns);
  const Tensor src = x.contiguous(), offsets = offset.contiguous();
  const Tensor masks = mask ? mask->contiguous() : Tensor();
  Tensor seen = Tensor::empty({batch, groups, channels / groups * d.cells, d.points});
  float* to = seen.mutable_data<float>().data();
  parallel_for(batch * channels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t set = i / d.channels * d.cells * d.points;
      sample_channel(
          src.data<float>().data() + i * d.height * d.width, offsets.data<float>().data() + 2 * set,
          mask ? masks.data<float>().data() + set : nullptr, d, to + i * d.cells * d.points);
    }
  });
  const Tensor kernels = weight.reshape({groups, outputs / groups, channels / groups * d.cells});
  Tensor dst = matmul(kernels, seen).reshape({batch, outputs, d.points});
  if (bias) dst = add(dst, bias->reshape({outputs, 1}));
  return dst.reshape({batch, outputs, rows, columns});
}

}  // namespace quern::ops
