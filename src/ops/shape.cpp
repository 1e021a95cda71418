#include "quern/ops/shape.h"

#include <algorithm>
#include <limits>

#include "core/copy.h"
#include "core/parallel.h"
#include "core/visit.h"
#include "ops/axis.h"

namespace quern::ops {
namespace {

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kBegin = std::numeric_limits<std::int64_t>::min();

std::int64_t product(const char* operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  require(!__builtin_mul_overflow(a, b, &result), "{}: a size of {} times {} is too large",
          operation, a, b);
  return result;
}

}  // namespace

Tensor concat(std::span<const Tensor> tensors, int axis) {
  require(!tensors.empty(), "concat: no tensors");
  const Tensor& first = tensors.front();
  const int along = checked_axis("concat", axis, first.shape());
  Shape shape = first.shape();
  shape[along] = 0;
  for (const Tensor& tensor : tensors) {
    require(tensor.dtype() == first.dtype(), "concat: dtypes {} and {} differ", first.dtype(),
            tensor.dtype());
    Shape expected = first.shape();
    if (tensor.rank() == first.rank()) expected[along] = tensor.shape()[along];
    require(tensor.shape() == expected, "concat: shapes {} and {} differ beside axis {}",
            first.shape(), tensor.shape(), axis);
    require(!__builtin_add_overflow(shape[along], tensor.shape()[along], &shape[along]),
            "concat: axis {} is too large", axis);
  }
  Tensor dst = Tensor::empty(shape, first.dtype());
  std::int64_t start = 0;
  for (const Tensor& tensor : tensors) {
    const std::int64_t size = tensor.shape()[along];
    copy_elements(tensor, dst.slice(along, start, start + size));
    start += size;
  }
  return dst;
}

std::vector<Tensor> split(const Tensor& x, std::span<const std::int64_t> sizes, int axis) {
  const int along = checked_axis("split", axis, x.shape());
  std::vector<Tensor> parts;
  std::int64_t start = 0;
  for (const std::int64_t size : sizes) {
    require(size >= 0 && size <= x.shape()[along] - start,
            "split: sizes do not fit axis {} of shape {}", axis, x.shape());
    parts.push_back(x.slice(along, start, start + size));
    start += size;
  }
  require(start == x.shape()[along], "split: sizes sum to {}, but axis {} of shape {}", start, axis,
          x.shape());
  return parts;
}

Tensor tile(const Tensor& x, std::span<const std::int64_t> repeats) {
  require(std::ssize(repeats) == x.rank(), "tile: {} repeats for shape {}", repeats.size(),
          x.shape());
  Shape shape = x.shape();
  for (int axis = 0; axis < x.rank(); ++axis) {
    const std::int64_t count = repeats[static_cast<std::size_t>(axis)];
    require(count >= 0, "tile: {} repeats of axis {}", count, axis);
    shape[axis] = product("tile", shape[axis], count);
  }
  Tensor tiled = x;
  for (int axis = x.rank() - 1; axis >= 0 && shape.numel() > 0; --axis) {
    const std::int64_t count = repeats[static_cast<std::size_t>(axis)];
    if (count == 1) continue;
    const Tensor one = tiled.unsqueeze(axis);
    Shape repeated = one.shape();
    repeated[axis] = count;
    Shape merged = tiled.shape();
    merged[axis] = shape[axis];
    tiled = one.expand(repeated).reshape(merged);
  }
  return shape.numel() > 0 ? tiled : Tensor::empty(shape, x.dtype());
}

Tensor triangle(const Tensor& x, Triangle kept, std::int64_t diagonal) {
  require(x.rank() >= 2, "triangle: expected a matrix, got shape {}", x.shape());
  const std::int64_t rows = x.dim(-2);
  const std::int64_t columns = x.dim(-1);
  const std::int64_t right = std::clamp(diagonal, -rows - 1, columns + 1);
  Tensor dst = x.clone();
  if (dst.numel() == 0) return dst;
  visit_storage(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    auto* to = static_cast<T*>(dst.mutable_raw());
    parallel_for(dst.numel() / columns, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        T* row = to + i * columns;
        // The first column right of the diagonal, or on it.
        const std::int64_t edge = i % rows + right + (kept == Triangle::lower ? 1 : 0);
        const std::int64_t at = std::clamp<std::int64_t>(edge, 0, columns);
        if (kept == Triangle::lower) {
          std::fill(row + at, row + columns, T());
        } else {
          std::fill(row, row + at, T());
        }
      }
    });
  });
  return dst;
}

Tensor reverse_sequence(const Tensor& x, const Tensor& lengths, int axis, int batch_axis) {
  const int along = checked_axis("reverse_sequence", axis, x.shape());
  const int batch = checked_axis("reverse_sequence", batch_axis, x.shape());
  require(along != batch, "reverse_sequence: axis {} twice", axis);
  require(lengths.shape() == Shape{x.shape()[batch]}, "reverse_sequence: lengths {} for shape {}",
          lengths.shape(), x.shape());
  const Tensor counts = lengths.cast(DType::i64).contiguous();
  Tensor dst = Tensor::empty(x.shape(), x.dtype());
  std::int64_t i = 0;
  for (const std::int64_t count : counts.data<std::int64_t>()) {
    require(count >= 0 && count <= x.shape()[along],
            "reverse_sequence: length {} for axis {} of shape {}", count, axis, x.shape());
    const Tensor from = x.slice(batch, i, i + 1);
    const Tensor to = dst.slice(batch, i, i + 1);
    copy_elements(from.slice(along, 0, count).slice(along, kEnd, kBegin, -1),
                  to.slice(along, 0, count));
    copy_elements(from.slice(along, count, kEnd), to.slice(along, count, kEnd));
    ++i;
  }
  return dst;
}

Tensor depth_to_space(const Tensor& x, std::int64_t block, DepthOrder order) {
  require(x.rank() == 4, "depth_to_space: expected [batch, depth, height, width], got {}",
          x.shape());
  require(block > 0 && block < 1 << 20 && x.dim(1) % (block * block) == 0,
          "depth_to_space: blocks of {} for shape {}", block, x.shape());
  const std::int64_t batch = x.dim(0), height = x.dim(2), width = x.dim(3);
  const std::int64_t depth = x.dim(1) / (block * block);
  const Tensor blocks =
      order == DepthOrder::depth
          ? x.reshape({batch, block, block, depth, height, width}).permute({0, 3, 4, 1, 5, 2})
          : x.reshape({batch, depth, block, block, height, width}).permute({0, 1, 4, 2, 5, 3});
  return blocks.reshape({batch, depth, product("depth_to_space", height, block),
                         product("depth_to_space", width, block)});
}

Tensor space_to_depth(const Tensor& x, std::int64_t block) {
  require(x.rank() == 4, "space_to_depth: expected [batch, depth, height, width], got {}",
          x.shape());
  require(block > 0 && x.dim(2) % block == 0 && x.dim(3) % block == 0,
          "space_to_depth: blocks of {} for shape {}", block, x.shape());
  const std::int64_t batch = x.dim(0), depth = x.dim(1);
  const std::int64_t height = x.dim(2) / block, width = x.dim(3) / block;
  const std::int64_t channels =
      product("space_to_depth", product("space_to_depth", block, block), depth);
  return x.reshape({batch, depth, height, block, width, block})
      .permute({0, 3, 5, 1, 2, 4})
      .reshape({batch, channels, height, width});
}

}  // namespace quern::ops
