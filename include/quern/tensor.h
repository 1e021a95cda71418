#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "quern/dtype.h"
#include "quern/export.h"
#include "quern/shape.h"

namespace quern {

/// A dense n-dimensional array: a dtype, a shape, strides, and storage shared by its copies.
///
/// Copying a Tensor or taking a view (`reshape`, `slice`, `permute`, ...) shares the elements;
/// `clone()` copies them. A default-constructed Tensor has shape [0] and dtype f32.
/// Distinct Tensor objects may be used from several threads; writing to shared elements is the
/// caller's to order.
class QUERN_API Tensor {
 public:
  Tensor();

  /// Elements are not initialised (strings are empty). Throws: `invalid_argument` on a negative
  /// size, `out_of_memory`.
  static Tensor empty(const Shape& shape, DType dtype = DType::f32);
  static Tensor zeros(const Shape& shape, DType dtype = DType::f32);
  /// Every element is `value` converted to `dtype`.
  static Tensor full(const Shape& shape, double value, DType dtype = DType::f32);
  /// Copies `values`, in row-major order. Throws: `invalid_argument` where the count is not the
  /// shape's.
  template <class T>
  static Tensor from(std::initializer_list<T> values, const Shape& shape) {
    return copy_of(values.begin(), values.size(), dtype_of<T>, shape);
  }
  template <class Range>
  requires requires(const Range& range) { std::span(range); }
  static Tensor from(const Range& values, const Shape& shape) {
    const auto span = std::span(values);
    return copy_of(span.data(), span.size(),
                   dtype_of<std::remove_cv_t<typename decltype(span)::value_type>>, shape);
  }
  template <class T>
  static Tensor scalar(T value) {
    return copy_of(&value, 1, dtype_of<T>, Shape{});
  }
  /// No copy: `values` must outlive the tensor and every view of it. Of const values it is
  /// read-only.
  template <class T>
  static Tensor borrow(std::span<T> values, const Shape& shape) {
    return view_of(values.data(), values.size(), dtype_of<std::remove_const_t<T>>, shape, nullptr);
  }
  /// Elements at `data` in row-major order, kept alive by `owner`; read-only where `data` is const.
  /// Throws: `invalid_argument` for `string`, or where `count` is not the shape's.
  static Tensor view_of(void* data, std::size_t count, DType dtype, const Shape& shape,
                        std::shared_ptr<const void> owner);
  static Tensor view_of(const void* data, std::size_t count, DType dtype, const Shape& shape,
                        std::shared_ptr<const void> owner);

  DType dtype() const noexcept { return dtype_; }
  const Shape& shape() const noexcept { return shape_; }
  /// In elements; 0 along a broadcast axis, negative after a reversing slice.
  const Shape& strides() const noexcept { return strides_; }
  int rank() const noexcept { return shape_.rank(); }
  std::int64_t dim(int axis) const { return shape_.dim(axis); }
  std::int64_t numel() const { return shape_.numel(); }
  bool is_contiguous() const noexcept;
  /// Whether the elements are const memory that was only lent.
  bool is_read_only() const noexcept { return read_only_; }
  /// Whether no other Tensor shares the elements, nor does who lent them: writing shows nowhere
  /// else.
  bool is_sole_owner() const noexcept { return !read_only_ && storage_.use_count() == 1; }

  /// The elements in row-major order. Throws: `invalid_argument` on a wrong dtype or a view that
  /// is not contiguous (call `contiguous()` first).
  template <class T>
  std::span<const T> data() const {
    return {static_cast<const T*>(checked_data(dtype_of<T>)), static_cast<std::size_t>(numel())};
  }
  /// The same to write to. Throws also where the tensor is read-only (`clone()` it first).
  template <class T>
  std::span<T> mutable_data() {
    check_writable();
    return {static_cast<T*>(checked_data(dtype_of<T>)), static_cast<std::size_t>(numel())};
  }
  /// First element, of any layout; for kernels that honour `strides()`.
  const void* raw() const noexcept { return data_; }
  /// Throws: `invalid_argument` where the tensor is read-only.
  void* mutable_raw() {
    check_writable();
    return data_;
  }

  /// One element; an index counts from the end when negative. Throws: `invalid_argument` on a
  /// wrong dtype, count or index.
  template <class T>
  const T& at(std::initializer_list<std::int64_t> index) const {
    return *static_cast<const T*>(element(dtype_of<T>, std::span(index.begin(), index.size())));
  }
  /// The same to write to. Throws also where the tensor is read-only.
  template <class T>
  T& mutable_at(std::initializer_list<std::int64_t> index) {
    check_writable();
    return *static_cast<T*>(element(dtype_of<T>, std::span(index.begin(), index.size())));
  }
  /// The only element of a tensor with one. Throws: `invalid_argument`.
  template <class T>
  const T& item() const {
    return *static_cast<const T*>(only_element(dtype_of<T>));
  }

  /// Same elements in row-major order under another shape, one size of which may be -1. A view
  /// where this tensor is contiguous, else a copy. Throws: `invalid_argument`.
  Tensor reshape(const Shape& shape) const;
  /// View whose axis i is this tensor's axis `axes[i]`. Throws: `invalid_argument`.
  Tensor permute(const Shape& axes) const;
  /// View with two axes exchanged.
  Tensor transpose(int axis0, int axis1) const;
  /// View without `axis`, which is of size 1. Throws: `invalid_argument`.
  Tensor squeeze(int axis) const;
  /// View with one axis more, of size 1, which is the result's `axis`. Throws: `invalid_argument`.
  Tensor unsqueeze(int axis) const;
  /// View of [start, end) along `axis` in steps of `step`, as Python's slice: negative positions
  /// count from the end, positions beyond it are clamped. Throws: `invalid_argument`.
  Tensor slice(int axis, std::int64_t start, std::int64_t end, std::int64_t step = 1) const;
  /// View broadcast to `shape` by NumPy's rules. Throws: `invalid_argument`.
  Tensor expand(const Shape& shape) const;

  /// This tensor if its elements are row-major without gaps, else a copy that is.
  Tensor contiguous() const;
  /// A contiguous copy with storage of its own.
  Tensor clone() const;
  /// Elements converted; itself where the dtype is the same. Floats round to nearest even when
  /// narrowing; to integers they truncate and saturate, NaN gives 0. Throws: `unsupported` for
  /// strings.
  Tensor cast(DType dtype) const;

  /// A readable print: dtype, shape and, of long axes, the first and last three elements.
  std::string to_string() const;

 private:
  static Tensor copy_of(const void* values, std::size_t count, DType dtype, const Shape& shape);
  void check_writable() const {
    if (read_only_) fail_read_only();
  }
  [[noreturn]] void fail_read_only() const;
  void* checked_data(DType dtype) const;
  void* element(DType dtype, std::span<const std::int64_t> index) const;
  void* only_element(DType dtype) const;

  std::shared_ptr<const void> storage_;
  std::byte* data_ = nullptr;
  Shape shape_{0};
  Shape strides_{1};
  DType dtype_ = DType::f32;
  bool read_only_ = false;
};

}  // namespace quern
