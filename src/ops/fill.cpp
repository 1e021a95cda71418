#include <algorithm>
#include <cmath>

#include "core/visit.h"
#include "quern/ops/shape.h"

namespace quern::ops {
namespace {

/// How many steps lie before the limit; past what memory holds, any number that does not either.
template <class T>
std::int64_t steps_between(T start, T limit, T step) {
  if constexpr (std::is_integral_v<T>) {
    const bool ascends = step > T{0};
    const T low = ascends ? start : limit;
    const T high = ascends ? limit : start;
    if (low >= high) return 0;
    const auto wide = [](T value) { return static_cast<std::uint64_t>(value); };
    const std::uint64_t stride = ascends ? wide(step) : 0 - wide(step);
    const std::uint64_t count = (wide(high) - wide(low) - 1) / stride + 1;
    return static_cast<std::int64_t>(std::min(count, std::uint64_t{1} << 62));
  } else {
    const double count = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) /
                                   static_cast<double>(step));
    require(!std::isnan(count), "arange: from {} to {} in steps of {}", static_cast<double>(start),
            static_cast<double>(limit), static_cast<double>(step));
    return static_cast<std::int64_t>(std::clamp(count, 0.0, 0x1p62));
  }
}

}  // namespace

Tensor arange(const Tensor& start, const Tensor& limit, const Tensor& step) {
  require(start.dtype() == limit.dtype() && start.dtype() == step.dtype(),
          "arange: dtypes {}, {} and {} differ", start.dtype(), limit.dtype(), step.dtype());
  Tensor dst;
  visit_numeric("arange", start.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>) {
      fail(ErrorCode::unsupported, "arange: expected a numeric dtype, got bool");
    } else {
      using Wide = std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>;
      const T first = start.item<T>();
      const T each = step.item<T>();
      require(each != T(0), "arange: a step of zero");
      const std::int64_t count = steps_between<Compute<T>>(first, limit.item<T>(), each);
      dst = Tensor::empty({count}, start.dtype());
      T* to = dst.mutable_data<T>().data();
      for (std::int64_t i = 0; i < count; ++i) {
        const Wide value =
            static_cast<Wide>(first) + static_cast<Wide>(i) * static_cast<Wide>(each);
        to[i] = T(static_cast<Compute<T>>(value));
      }
    }
  });
  return dst;
}

Tensor eye(std::int64_t rows, std::int64_t columns, std::int64_t diagonal, DType dtype) {
  Tensor dst = Tensor::zeros({rows, columns}, dtype);
  const std::int64_t right = std::clamp(diagonal, -rows, columns);
  visit_numeric("eye", dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = dst.mutable_data<T>().data();
    for (std::int64_t row = std::max<std::int64_t>(0, -right); row < rows && row + right < columns;
         ++row)
      to[row * columns + row + right] = T(1);
  });
  return dst;
}

}  // namespace quern::ops
