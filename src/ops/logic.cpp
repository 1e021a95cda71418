#include <cmath>
#include <functional>

#include "core/narrow.h"
#include "ops/elements.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

template <class Function>
Tensor compare(const char* name, const Tensor& a, const Tensor& b, const Function& function) {
  require_same_dtype(name, a, b);
  Tensor dst;
  visit_numeric(name, a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    dst = zip_elements<T, T, bool>(a, b, function);
  });
  return dst;
}

template <class Function>
Tensor zip_bools(const char* name, const Tensor& a, const Tensor& b, const Function& function) {
  require(a.dtype() == DType::boolean && b.dtype() == DType::boolean,
          "{}: expected bools, got {} and {}", name, a.dtype(), b.dtype());
  return zip_elements<bool, bool, bool>(a, b, function);
}

template <class Visitor>
void visit_integer(const char* name, DType dtype, const Visitor& visitor) {
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      visitor(tag);
    } else {
      fail(ErrorCode::unsupported, "{}: expected integers, got {}", name, dtype);
    }
  });
}

template <class Function>
Tensor zip_bits(const char* name, const Tensor& a, const Tensor& b, const Function& function) {
  require_same_dtype(name, a, b);
  Tensor dst;
  visit_integer(name, a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    dst = zip_elements<T, T, T>(a, b, function);
  });
  return dst;
}

template <class Function>
Tensor shift(const char* name, const Tensor& a, const Tensor& count, const Function& function) {
  visit_integer(name, a.dtype(), [&](auto tag) {
    if constexpr (std::is_signed_v<typename decltype(tag)::type>)
      fail(ErrorCode::unsupported, "{}: expected unsigned integers, got {}", name, a.dtype());
  });
  return zip_bits(name, a, count, [&](auto value, auto by) {
    constexpr auto kBits = sizeof(value) * 8;
    const auto wide = static_cast<std::uint64_t>(value);
    const auto steps = static_cast<std::uint64_t>(by);
    return steps < kBits ? function(wide, steps) : std::uint64_t{0};
  });
}

template <class Function>
Tensor test_floats(const char* name, const Tensor& x, const Function& function) {
  const Tensor values = is_narrow(x.dtype()) ? widen(x) : x;
  Tensor dst;
  visit_floating(name, values.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    dst = map_elements<T, bool>(values, function);
  });
  return dst;
}

template <class T>
void choose(const bool* condition, const T* a, const T* b, T* out, std::int64_t count,
            const std::array<std::int64_t, 4>& steps) {
  if (steps[0] == 1 && steps[1] == 1 && steps[2] == 1) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = condition[i] ? a[i] : b[i];
  } else {
    for (std::int64_t i = 0; i < count; ++i)
      out[i] = condition[i * steps[0]] ? a[i * steps[1]] : b[i * steps[2]];
  }
}

}  // namespace

Tensor equal(const Tensor& a, const Tensor& b) {
  require_same_dtype("equal", a, b);
  if (is_narrow(a.dtype())) return equal(widen(a), widen(b));
  if (a.dtype() == DType::string)
    return zip_elements<std::string, std::string, bool>(a, b, std::equal_to<>());
  return compare("equal", a, b, std::equal_to<>());
}

Tensor greater(const Tensor& a, const Tensor& b) {
  return compare("greater", a, b, std::greater<>());
}
Tensor greater_equal(const Tensor& a, const Tensor& b) {
  return compare("greater_equal", a, b, std::greater_equal<>());
}
Tensor less(const Tensor& a, const Tensor& b) { return compare("less", a, b, std::less<>()); }
Tensor less_equal(const Tensor& a, const Tensor& b) {
  return compare("less_equal", a, b, std::less_equal<>());
}

Tensor is_nan(const Tensor& x) {
  return test_floats("is_nan", x, [](auto value) { return std::isnan(value); });
}

Tensor is_inf(const Tensor& x, InfinitySign sign) {
  return test_floats("is_inf", x, [sign](auto value) {
    const bool wanted =
        sign == InfinitySign::either || (sign == InfinitySign::positive) == (value > 0);
    return std::isinf(value) && wanted;
  });
}

Tensor logical_and(const Tensor& a, const Tensor& b) {
  return zip_bools("logical_and", a, b, std::logical_and<>());
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return zip_bools("logical_or", a, b, std::logical_or<>());
}
Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return zip_bools("logical_xor", a, b, std::not_equal_to<>());
}
Tensor logical_not(const Tensor& x) {
  require(x.dtype() == DType::boolean, "logical_not: expected bools, got {}", x.dtype());
  return map_elements<bool, bool>(x, std::logical_not<>());
}

Tensor bitwise_and(const Tensor& a, const Tensor& b) {
  return zip_bits("bitwise_and", a, b, std::bit_and<>());
}
Tensor bitwise_or(const Tensor& a, const Tensor& b) {
  return zip_bits("bitwise_or", a, b, std::bit_or<>());
}
Tensor bitwise_xor(const Tensor& a, const Tensor& b) {
  return zip_bits("bitwise_xor", a, b, std::bit_xor<>());
}
Tensor bitwise_not(const Tensor& x) {
  Tensor dst;
  visit_integer("bitwise_not", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    dst = map_elements<T, T>(x, std::bit_not<>());
  });
  return dst;
}

Tensor shift_left(const Tensor& a, const Tensor& count) {
  return shift("shift_left", a, count, [](auto value, auto by) { return value << by; });
}
Tensor shift_right(const Tensor& a, const Tensor& count) {
  return shift("shift_right", a, count, [](auto value, auto by) { return value >> by; });
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  require(condition.dtype() == DType::boolean, "where: expected a condition of bools, got {}",
          condition.dtype());
  require_same_dtype("where", a, b);
  const Shape shape = broadcast_shapes(condition.shape(), broadcast_shapes(a.shape(), b.shape()));
  const Tensor chosen = condition.expand(shape);
  const Tensor left = a.expand(shape);
  const Tensor right = b.expand(shape);
  Tensor dst = Tensor::empty(shape, a.dtype());
  visit_storage(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* flags = static_cast<const bool*>(chosen.raw());
    const auto* x = static_cast<const T*>(left.raw());
    const auto* y = static_cast<const T*>(right.raw());
    auto* out = static_cast<T*>(dst.mutable_raw());
    parallel_for_each_run<4>(
        shape, {chosen.strides(), left.strides(), right.strides(), dst.strides()}, kElementGrain,
        [&](const auto& at, std::int64_t count, const auto& steps) {
          choose(flags + at[0], x + at[1], y + at[2], out + at[3], count, steps);
        });
  });
  return dst;
}

}  // namespace quern::ops
