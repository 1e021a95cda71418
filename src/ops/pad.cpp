#include <algorithm>
#include <limits>

#include "core/copy.h"
#include "core/error.h"
#include "core/format.h"
#include "quern/ops/shape.h"

namespace quern::ops {
namespace {

using Extents = std::span<const std::int64_t>;
constexpr std::int64_t kToEnd = std::numeric_limits<std::int64_t>::max();

std::int64_t wrapped(std::int64_t at, std::int64_t size) {
  const std::int64_t rest = at % size;
  return rest < 0 ? rest + size : rest;
}

/// Where the element comes from that stands at `at`, counted from the first that is given.
std::int64_t source_of(PadMode mode, std::int64_t at, std::int64_t size) {
  if (mode == PadMode::edge || size == 1) return std::clamp<std::int64_t>(at, 0, size - 1);
  if (mode == PadMode::wrap) return wrapped(at, size);
  const std::int64_t place = wrapped(at, 2 * size - 2);
  return place < size ? place : 2 * size - 2 - place;
}

/// `x` without what negative sizes take away.
Tensor cropped(const Tensor& x, Extents before, Extents after) {
  Tensor left = x;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    const std::int64_t size = x.shape()[axis];
    require(before[i] >= -size && after[i] >= -size &&
                std::min<std::int64_t>(before[i], 0) + std::min<std::int64_t>(after[i], 0) >= -size,
            "pad: {} and {} take more than shape {} has on axis {}", before[i], after[i], x.shape(),
            axis);
    left = left.slice(axis, std::max<std::int64_t>(0, -before[i]),
                      size + std::min<std::int64_t>(after[i], 0));
  }
  return left;
}

Shape padded_shape(const Tensor& x, Extents before, Extents after) {
  Shape shape = x.shape();
  for (int axis = 0; axis < x.rank(); ++axis) {
    for (const std::int64_t added :
         {before[static_cast<std::size_t>(axis)], after[static_cast<std::size_t>(axis)]}) {
      require(!__builtin_add_overflow(shape[axis], std::max<std::int64_t>(added, 0), &shape[axis]),
              "pad: axis {} is too large", axis);
    }
  }
  return shape;
}

Tensor one_element(const Tensor& x, const PadOptions& options) {
  if (!options.value) return Tensor::zeros(Shape{}, x.dtype());
  require(options.value->numel() == 1 && options.value->dtype() == x.dtype(),
          "pad: expected one value of dtype {}, got {} of {}", x.dtype(), options.value->shape(),
          options.value->dtype());
  return options.value->reshape(Shape{});
}

void fill_border(const Tensor& border, const Tensor& value) {
  copy_elements(value.expand(border.shape()), border);
}

}  // namespace

Tensor pad(const Tensor& x, Extents before, Extents after, const PadOptions& options) {
  require(std::ssize(before) == x.rank() && std::ssize(after) == x.rank(),
          "pad: {} and {} sizes for shape {}", before.size(), after.size(), x.shape());
  const Tensor src = cropped(x, before, after);
  Tensor dst = Tensor::empty(padded_shape(src, before, after), x.dtype());
  // What is filled so far: all of the axes done, and of the others what `src` has.
  Tensor filled = dst;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const std::int64_t first = std::max<std::int64_t>(0, before[static_cast<std::size_t>(axis)]);
    filled = filled.slice(axis, first, first + src.shape()[axis]);
  }
  copy_elements(src, filled);
  const Tensor value = one_element(x, options);
  for (int axis = 0; axis < x.rank(); ++axis) {
    const std::int64_t first = std::max<std::int64_t>(0, before[static_cast<std::size_t>(axis)]);
    const std::int64_t size = src.shape()[axis];
    Tensor wider = dst;
    for (int later = axis + 1; later < x.rank(); ++later) {
      const std::int64_t start = std::max<std::int64_t>(0, before[static_cast<std::size_t>(later)]);
      wider = wider.slice(later, start, start + src.shape()[later]);
    }
    if (options.mode == PadMode::constant) {
      fill_border(wider.slice(axis, 0, first), value);
      fill_border(wider.slice(axis, first + size, kToEnd), value);
      continue;
    }
    require(size > 0 || wider.numel() == 0, "pad: nothing to repeat in shape {}", src.shape());
    for (std::int64_t at = 0; at < dst.shape()[axis] && wider.numel() > 0; ++at) {
      if (at == first) at += size;
      if (at >= dst.shape()[axis]) break;
      const std::int64_t from = first + source_of(options.mode, at - first, size);
      copy_elements(wider.slice(axis, from, from + 1), wider.slice(axis, at, at + 1));
    }
  }
  return dst;
}

}  // namespace quern::ops
