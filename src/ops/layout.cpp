#include "ops/layout.h"

#include <algorithm>
#include <array>

#include "backend/operation.h"
#include "core/error.h"
#include "core/format.h"
#include "core/strided.h"
#include "core/visit.h"
#include "kernels/planes.h"

namespace quern::ops {
namespace {

bool copy_by_onednn(const Tensor& src, const backend::TensorDesc& from, const Tensor& dst,
                    const backend::TensorDesc& to) {
  const auto operation = backend::try_prepare(backend::ReorderDesc{from, to});
  if (!operation) return false;
  operation->run({{backend::Slot::src, src.raw()}, {backend::Slot::dst, dst.raw()}});
  return true;
}

bool is_copied_by_onednn(const Tensor& x) { return x.is_contiguous() || channel_pitch(x); }

/// Pictures: two to four planes, which oneDNN copies an element at a time.
bool copy_planes(const Tensor& src, const Tensor& dst) {
  const std::int64_t planes = src.rank() < 3 ? 0 : src.dim(1);
  const auto element_size = static_cast<int>(size_of(src.dtype()));
  if (planes < 2 || planes > 4 || src.dtype() != dst.dtype() || element_size > 4 ||
      !src.is_contiguous() || !is_channels_last(dst))
    return false;
  const std::int64_t places = src.numel() / (src.dim(0) * planes);
  for (std::int64_t image = 0; image < src.dim(0); ++image) {
    const std::int64_t offset = image * planes * places * element_size;
    kernels::interleave_planes(static_cast<const std::byte*>(src.raw()) + offset,
                               static_cast<int>(planes), places, element_size,
                               static_cast<std::byte*>(Tensor(dst).mutable_raw()) + offset);
  }
  return true;
}

}  // namespace

std::optional<std::int64_t> channel_pitch(const Tensor& x) {
  if (x.rank() < 3 || (x.dim(1) != 1 && x.strides()[1] != 1)) return std::nullopt;
  std::int64_t pitch = 0;
  std::int64_t expected = 0;
  const auto follows = [&](int axis) {
    if (x.shape()[axis] == 1) return true;
    if (pitch == 0) pitch = expected = x.strides()[axis];
    const bool fits = x.strides()[axis] == expected;
    expected *= x.shape()[axis];
    return fits;
  };
  for (int axis = x.rank() - 1; axis >= 2; --axis) {
    if (!follows(axis)) return std::nullopt;
  }
  if (!follows(0)) return std::nullopt;
  if (pitch == 0) pitch = x.dim(1);
  return pitch >= x.dim(1) ? std::optional(pitch) : std::nullopt;
}

bool is_channels_last(const Tensor& x) {
  if (x.rank() < 3) return false;
  const Shape strides = backend::channels_last_desc(x.dtype(), x.shape()).strides;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (x.shape()[axis] != 1 && x.strides()[axis] != strides[axis]) return false;
  }
  return true;
}

Tensor empty_in(Layout layout, const Shape& shape, DType dtype) {
  if (layout == Layout::contiguous) return Tensor::empty(shape, dtype);
  Shape stored{shape[0]};
  Shape axes{0, shape.rank() - 1};
  for (int axis = 2; axis < shape.rank(); ++axis) {
    stored.push_back(shape[axis]);
    axes.push_back(axis - 1);
  }
  stored.push_back(shape[1]);
  return Tensor::empty(stored, dtype).permute(axes);
}

Tensor in_layout(const Tensor& x, DType dtype, Layout layout) {
  const bool fits = layout == Layout::contiguous ? x.is_contiguous() : is_channels_last(x);
  if (fits && x.dtype() == dtype) return x;
  const Tensor dst = empty_in(layout, x.shape(), dtype);
  copy_into(x, dst);
  return dst;
}

Tensor with_rank(const Tensor& x, int rank) {
  Tensor view = x;
  while (view.rank() < rank) view = view.unsqueeze(0);
  return view;
}

void copy_into(const Tensor& src, const Tensor& dst) {
  if (src.numel() == 0 || copy_planes(src, dst)) return;
  const bool floats = is_floating(src.dtype()) && is_floating(dst.dtype());
  const bool bytes =
      src.dtype() == dst.dtype() && (src.dtype() == DType::i8 || src.dtype() == DType::u8);
  if ((floats || bytes) && is_copied_by_onednn(src) && is_copied_by_onednn(dst) &&
      copy_by_onednn(src, backend::describe(src), dst, backend::describe(dst)))
    return;
  const Tensor converted = src.cast(dst.dtype());
  visit_dtype(dst.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* from = static_cast<const T*>(converted.raw());
    auto* to = static_cast<T*>(Tensor(dst).mutable_raw());
    for_each_run<2>(dst.shape(), {converted.strides(), dst.strides()},
                    [&](const auto& offsets, std::int64_t count, const auto& strides) {
                      const T* first = from + offsets[0];
                      T* place = to + offsets[1];
                      if (strides[0] == 1 && strides[1] == 1) {
                        std::copy_n(first, count, place);
                        return;
                      }
                      for (std::int64_t i = 0; i < count; ++i)
                        place[i * strides[1]] = first[i * strides[0]];
                    });
  });
}

}  // namespace quern::ops
