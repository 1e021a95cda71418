#pragma once

#include <string_view>
#include <type_traits>

#include "core/error.h"
#include "core/format.h"
#include "quern/dtype.h"

namespace quern {

template <class T>
struct TypeTag {
  using type = T;
};

/// Calls `visitor(TypeTag<T>{})` with the C++ type of `dtype`. The one place that maps dtypes to
/// types; the visitor refuses those it cannot take with `if constexpr`.
template <class Visitor>
decltype(auto) visit_dtype(DType dtype, Visitor&& visitor) {
  switch (dtype) {
    case DType::f32:
      return visitor(TypeTag<float>{});
    case DType::f64:
      return visitor(TypeTag<double>{});
    case DType::f16:
      return visitor(TypeTag<Float16>{});
    case DType::bf16:
      return visitor(TypeTag<BFloat16>{});
    case DType::i8:
      return visitor(TypeTag<std::int8_t>{});
    case DType::u8:
      return visitor(TypeTag<std::uint8_t>{});
    case DType::i16:
      return visitor(TypeTag<std::int16_t>{});
    case DType::u16:
      return visitor(TypeTag<std::uint16_t>{});
    case DType::i32:
      return visitor(TypeTag<std::int32_t>{});
    case DType::u32:
      return visitor(TypeTag<std::uint32_t>{});
    case DType::i64:
      return visitor(TypeTag<std::int64_t>{});
    case DType::u64:
      return visitor(TypeTag<std::uint64_t>{});
    case DType::boolean:
      return visitor(TypeTag<bool>{});
    case DType::string:
      return visitor(TypeTag<std::string>{});
    case DType::f8e4m3fn:
      return visitor(TypeTag<Narrow<DType::f8e4m3fn>>{});
    case DType::f8e4m3fnuz:
      return visitor(TypeTag<Narrow<DType::f8e4m3fnuz>>{});
    case DType::f8e5m2:
      return visitor(TypeTag<Narrow<DType::f8e5m2>>{});
    case DType::f8e5m2fnuz:
      return visitor(TypeTag<Narrow<DType::f8e5m2fnuz>>{});
    case DType::f8e8m0:
      return visitor(TypeTag<Narrow<DType::f8e8m0>>{});
    case DType::f4e2m1:
      return visitor(TypeTag<Narrow<DType::f4e2m1>>{});
    case DType::i4:
      return visitor(TypeTag<Narrow<DType::i4>>{});
    case DType::u4:
      return visitor(TypeTag<Narrow<DType::u4>>{});
    case DType::i2:
      return visitor(TypeTag<Narrow<DType::i2>>{});
    case DType::u2:
      return visitor(TypeTag<Narrow<DType::u2>>{});
  }
  fail(ErrorCode::internal, "dtype {} is not an element type", static_cast<int>(dtype));
}

template <class T>
inline constexpr bool is_narrow_float = std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;
template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T> || is_narrow_float<T>;

/// What arithmetic on T is computed in: float for the narrow floats, else T.
template <class T>
using Compute = std::conditional_t<is_narrow_float<T>, float, T>;

/// Calls `visitor(TypeTag<T>{})` with a type of the size of `dtype`: std::string for strings, else
/// an unsigned integer. For code that moves elements and does not look at them.
template <class Visitor>
decltype(auto) visit_storage(DType dtype, Visitor&& visitor) {
  if (dtype == DType::string) return visitor(TypeTag<std::string>{});
  switch (size_of(dtype)) {
    case 1:
      return visitor(TypeTag<std::uint8_t>{});
    case 2:
      return visitor(TypeTag<std::uint16_t>{});
    case 4:
      return visitor(TypeTag<std::uint32_t>{});
    default:
      return visitor(TypeTag<std::uint64_t>{});
  }
}

/// As visit_dtype, for the dtypes that arithmetic takes.
template <class Visitor>
void visit_numeric(std::string_view operation, DType dtype, Visitor&& visitor) {
  visit_dtype(dtype, [&](auto tag) {
    if constexpr (is_number<typename decltype(tag)::type>) {
      visitor(tag);
    } else {
      fail(ErrorCode::unsupported, "{}: expected a numeric dtype, got {}", operation, dtype);
    }
  });
}

/// As visit_dtype, for f32, f64, f16 and bf16.
template <class Visitor>
void visit_floating(std::string_view operation, DType dtype, Visitor&& visitor) {
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_floating_point_v<T> || is_narrow_float<T>) {
      visitor(tag);
    } else {
      fail(ErrorCode::unsupported, "{}: expected a floating dtype, got {}", operation, dtype);
    }
  });
}

}  // namespace quern
