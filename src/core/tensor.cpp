#include "quern/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/buffer.h"
#include "core/copy.h"
#include "core/error.h"
#include "core/narrow.h"
#include "core/parallel.h"
#include "core/visit.h"

namespace quern {
namespace {

std::size_t byte_count(const Shape& shape, DType dtype) {
  for (const std::int64_t dim : shape)
    require(dim >= 0, "tensor: negative size in shape {}", shape);
  std::int64_t bytes = 0;
  require(!__builtin_mul_overflow(shape.numel(), static_cast<std::int64_t>(size_of(dtype)), &bytes),
          "tensor: {} of {} does not fit in memory", shape, dtype);
  return static_cast<std::size_t>(bytes);
}

int checked_axis(const char* operation, int axis, const Shape& shape) {
  require(axis >= -shape.rank() && axis < shape.rank(), "{}: axis {} is out of range for shape {}",
          operation, axis, shape);
  return axis < 0 ? axis + shape.rank() : axis;
}

template <class To, class From>
To convert(const From& value) {
  if constexpr (std::is_same_v<To, bool>) {
    return static_cast<Compute<From>>(value) != Compute<From>{0};
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<Compute<From>>) {
    using Wide = Compute<From>;
    const auto wide = static_cast<Wide>(value);
    if (std::isnan(wide)) return 0;
    // 2^digits, the first value too large, is exact in any floating type here.
    const Wide limit = std::ldexp(Wide{1}, std::numeric_limits<To>::digits);
    if (wide >= limit) return std::numeric_limits<To>::max();
    if (wide <= (std::is_signed_v<To> ? -limit : Wide{0})) return std::numeric_limits<To>::min();
    return static_cast<To>(wide);
  } else if constexpr (is_narrow_float<To>) {
    return To(static_cast<float>(static_cast<Compute<From>>(value)));
  } else {
    return static_cast<To>(static_cast<Compute<From>>(value));
  }
}

template <class To, class From>
void convert_elements(const Tensor& src, Tensor& dst) {
  const From* from = src.data<From>().data();
  To* to = dst.mutable_data<To>().data();
  parallel_for(src.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = convert<To>(from[i]);
  });
}

}  // namespace

Tensor::Tensor() = default;

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  const std::size_t bytes = byte_count(shape, dtype);
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.strides_ = row_major_strides(shape);
  tensor.dtype_ = dtype;
  if (dtype == DType::string) {
    auto strings =
        std::make_shared<std::vector<std::string>>(static_cast<std::size_t>(shape.numel()));
    tensor.data_ = reinterpret_cast<std::byte*>(strings->data());
    tensor.storage_ = std::move(strings);
  } else {
    auto buffer = allocate_buffer(bytes);
    tensor.data_ = buffer.get();
    tensor.storage_ = std::move(buffer);
  }
  return tensor;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  if (dtype != DType::string) std::memset(tensor.data_, 0, byte_count(shape, dtype));
  return tensor;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  visit_numeric("full", dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::fill_n(reinterpret_cast<T*>(tensor.data_), shape.numel(), convert<T>(value));
  });
  return tensor;
}

Tensor Tensor::copy_of(const void* values, std::size_t count, DType dtype, const Shape& shape) {
  require(static_cast<std::int64_t>(count) == shape.numel(),
          "tensor: shape {} takes {} values, got {}", shape, shape.numel(), count);
  Tensor tensor = empty(shape, dtype);
  visit_storage(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::copy_n(static_cast<const T*>(values), count, reinterpret_cast<T*>(tensor.data_));
  });
  return tensor;
}

Tensor Tensor::view_of(void* data, std::size_t count, DType dtype, const Shape& shape,
                       std::shared_ptr<const void> owner) {
  byte_count(shape, dtype);
  require(static_cast<std::int64_t>(count) == shape.numel(),
          "tensor: shape {} takes {} values, got {}", shape, shape.numel(), count);
  Tensor tensor;
  tensor.storage_ = std::move(owner);
  tensor.data_ = static_cast<std::byte*>(data);
  tensor.shape_ = shape;
  tensor.strides_ = row_major_strides(shape);
  tensor.dtype_ = dtype;
  return tensor;
}

Tensor Tensor::view_of(const void* data, std::size_t count, DType dtype, const Shape& shape,
                       std::shared_ptr<const void> owner) {
  Tensor tensor = view_of(const_cast<void*>(data), count, dtype, shape, std::move(owner));
  tensor.read_only_ = true;
  return tensor;
}

bool Tensor::is_contiguous() const noexcept {
  std::int64_t expected = 1;
  for (int axis = rank() - 1; axis >= 0; --axis) {
    if (shape_[axis] == 0) return true;
    if (shape_[axis] != 1 && strides_[axis] != expected) return false;
    expected *= shape_[axis];
  }
  return true;
}

void Tensor::fail_read_only() const {
  fail(ErrorCode::invalid_argument, "tensor: {} {} is of const memory; clone() it to write", dtype_,
       shape_);
}

void* Tensor::checked_data(DType dtype) const {
  require(dtype == dtype_, "tensor: data of dtype {} asked of a tensor of dtype {}", dtype, dtype_);
  require(is_contiguous(), "tensor: data asked of a view of shape {} that is not contiguous",
          shape_);
  return data_;
}

void* Tensor::element(DType dtype, std::span<const std::int64_t> index) const {
  require(dtype == dtype_, "tensor: element of dtype {} asked of a tensor of dtype {}", dtype,
          dtype_);
  require(static_cast<int>(index.size()) == rank(), "tensor: {} indices for shape {}", index.size(),
          shape_);
  std::int64_t offset = 0;
  for (int axis = 0; axis < rank(); ++axis) {
    const std::int64_t given = index[static_cast<std::size_t>(axis)];
    const std::int64_t at = given < 0 ? given + shape_[axis] : given;
    require(at >= 0 && at < shape_[axis],
            "tensor: index {} is out of range for axis {} of shape {}", given, axis, shape_);
    offset += at * strides_[axis];
  }
  return data_ + offset * static_cast<std::int64_t>(size_of(dtype_));
}

void* Tensor::only_element(DType dtype) const {
  require(dtype == dtype_, "tensor: element of dtype {} asked of a tensor of dtype {}", dtype,
          dtype_);
  require(numel() == 1, "tensor: item() asked of shape {}", shape_);
  return data_;
}

Tensor Tensor::reshape(const Shape& shape) const {
  Shape wanted = shape;
  int inferred = -1;
  std::int64_t known = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == -1) {
      require(inferred < 0, "reshape: more than one -1 in {}", shape);
      inferred = axis;
    } else {
      require(shape[axis] >= 0, "reshape: negative size in {}", shape);
      require(!__builtin_mul_overflow(known, shape[axis], &known), "reshape: {} is too large",
              shape);
    }
  }
  if (inferred >= 0) {
    require(known > 0 && numel() % known == 0, "reshape: {} does not divide into {}", shape_,
            shape);
    wanted[inferred] = numel() / known;
  }
  require(wanted.numel() == numel(), "reshape: {} has {} elements, {} takes {}", shape_, numel(),
          wanted, wanted.numel());
  Tensor view = contiguous();
  view.shape_ = wanted;
  view.strides_ = row_major_strides(wanted);
  return view;
}

Tensor Tensor::permute(const Shape& axes) const {
  require(axes.rank() == rank(), "permute: {} axes for shape {}", axes.rank(), shape_);
  Tensor view = *this;
  std::array<bool, Shape::kMaxRank> seen{};
  for (int i = 0; i < rank(); ++i) {
    const int axis = checked_axis("permute", static_cast<int>(axes[i]), shape_);
    require(!std::exchange(seen[static_cast<unsigned>(axis)], true), "permute: axis {} twice in {}",
            axis, axes);
    view.shape_[i] = shape_[axis];
    view.strides_[i] = strides_[axis];
  }
  return view;
}

Tensor Tensor::transpose(int axis0, int axis1) const {
  Tensor view = *this;
  const int first = checked_axis("transpose", axis0, shape_);
  const int second = checked_axis("transpose", axis1, shape_);
  std::swap(view.shape_[first], view.shape_[second]);
  std::swap(view.strides_[first], view.strides_[second]);
  return view;
}

Tensor Tensor::squeeze(int axis) const {
  const int dropped = checked_axis("squeeze", axis, shape_);
  require(shape_[dropped] == 1, "squeeze: axis {} of shape {} is not of size 1", axis, shape_);
  Tensor view = *this;
  view.shape_ = view.strides_ = Shape();
  for (int i = 0; i < rank(); ++i) {
    if (i == dropped) continue;
    view.shape_.push_back(shape_[i]);
    view.strides_.push_back(strides_[i]);
  }
  return view;
}

Tensor Tensor::unsqueeze(int axis) const {
  require(axis >= -rank() - 1 && axis <= rank(), "unsqueeze: axis {} is out of range for shape {}",
          axis, shape_);
  const int added = axis < 0 ? axis + rank() + 1 : axis;
  Tensor view = *this;
  view.shape_ = view.strides_ = Shape();
  for (int i = 0; i <= rank(); ++i) {
    if (i == added) {
      view.shape_.push_back(1);
      view.strides_.push_back(i < rank() ? shape_[i] * strides_[i] : 1);
    }
    if (i == rank()) break;
    view.shape_.push_back(shape_[i]);
    view.strides_.push_back(strides_[i]);
  }
  return view;
}

Tensor Tensor::slice(int axis, std::int64_t start, std::int64_t end, std::int64_t step) const {
  const int at = checked_axis("slice", axis, shape_);
  require(step != 0 && step != std::numeric_limits<std::int64_t>::min(), "slice: step {}", step);
  const std::int64_t size = shape_[at];
  const std::int64_t low = step > 0 ? 0 : -1;
  const std::int64_t high = step > 0 ? size : size - 1;
  const auto clamp = [&](std::int64_t position) {
    return std::clamp(position < 0 ? position + size : position, low, high);
  };
  const std::int64_t first = clamp(start);
  const std::int64_t last = clamp(end);
  const std::int64_t distance = step > 0 ? last - first : first - last;
  const std::int64_t stride = step > 0 ? step : -step;
  Tensor view = *this;
  view.shape_[at] = distance > 0 ? 1 + (distance - 1) / stride : 0;
  if (view.numel() > 0)  // else there may be no data to point into
    view.data_ += first * strides_[at] * static_cast<std::int64_t>(size_of(dtype_));
  if (view.shape_[at] > 0)
    view.strides_[at] = view.shape_[at] > 1 ? strides_[at] * step : strides_[at];
  return view;
}

Tensor Tensor::expand(const Shape& shape) const {
  require(shape.rank() >= rank() && broadcast_shapes(shape_, shape) == shape,
          "expand: {} does not broadcast to {}", shape_, shape);
  shape.numel();  // throws where there are too many
  Tensor view = *this;
  view.shape_ = shape;
  view.strides_ = Shape::filled(shape.rank(), 0);
  const int added = shape.rank() - rank();
  for (int axis = 0; axis < rank(); ++axis) {
    if (shape_[axis] == shape[axis + added]) view.strides_[axis + added] = strides_[axis];
  }
  return view;
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

Tensor Tensor::clone() const {
  Tensor copy = empty(shape_, dtype_);
  copy_elements(*this, copy);
  return copy;
}

Tensor Tensor::cast(DType dtype) const {
  if (dtype == dtype_) return *this;
  if (is_narrow(dtype)) return narrow(cast(DType::f32), dtype, Overflow::saturate);
  if (is_narrow(dtype_)) return widen(*this).cast(dtype);
  const Tensor src = contiguous();
  Tensor converted = empty(shape_, dtype);
  visit_numeric("cast", dtype_, [&](auto from) {
    visit_numeric("cast", dtype, [&](auto to) {
      convert_elements<typename decltype(to)::type, typename decltype(from)::type>(src, converted);
    });
  });
  return converted;
}

}  // namespace quern
