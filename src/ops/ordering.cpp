#include <algorithm>
#include <numeric>
#include <vector>

#include "core/visit.h"
#include "ops/rows.h"
#include "ops/wrapping.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

/// Whether `a` comes before `b` in descending order; NaN comes first.
template <class T>
bool is_larger(T a, T b) {
  return a > b || (a != a && b == b);
}
/// The same in ascending order, where NaN comes last.
template <class T>
bool is_smaller(T a, T b) {
  return a < b || (a == a && b != b);
}

/// Index along `axis` of the element that is `better` than all, or as good as and before (after)
/// them.
template <class Better>
Tensor arg_best(const char* name, const Tensor& x, int axis, Ties ties, const Better& better) {
  const int along = normal_axis(name, axis, x);
  const std::int64_t size = x.shape()[along];
  require(size > 0, "{}: no elements along axis {} of shape {}", name, axis, x.shape());
  Shape order, kept;
  for (int i = 0; i < x.rank(); ++i) {
    if (i == along) continue;
    order.push_back(i);
    kept.push_back(x.shape()[i]);
  }
  order.push_back(along);
  const Tensor lines = x.permute(order).contiguous();
  Tensor best = Tensor::empty(kept, DType::i64);
  std::int64_t* index = best.mutable_data<std::int64_t>().data();
  visit_numeric(name, x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* src = lines.data<T>().data();
    for_each_row(best.numel(), size, [&](std::int64_t row) {
      const T* line = src + row * size;
      std::int64_t top = 0;
      for (std::int64_t i = 1; i < size; ++i) {
        const auto value = static_cast<Compute<T>>(line[i]);
        const auto record = static_cast<Compute<T>>(line[top]);
        if (better(value, record) || (ties == Ties::last && !better(record, value))) top = i;
      }
      index[row] = top;
    });
  });
  return best;
}

/// The first `k` of `size` elements in the order of `before`, and of their places.
template <class T, class Before>
void select(const T* line, std::int64_t size, std::int64_t k, const Before& before, T* values,
            std::int64_t* indices) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(size));
  std::iota(places.begin(), places.end(), std::int64_t{0});
  std::partial_sort(places.begin(), places.begin() + k, places.end(),
                    [&](std::int64_t a, std::int64_t b) {
                      const auto x = static_cast<Compute<T>>(line[a]);
                      const auto y = static_cast<Compute<T>>(line[b]);
                      if (before(x, y)) return true;
                      return !before(y, x) && a < b;
                    });
  for (std::int64_t i = 0; i < k; ++i) {
    indices[i] = places[static_cast<std::size_t>(i)];
    values[i] = line[indices[i]];
  }
}

template <class Combine>
Tensor run_along(const char* name, const Tensor& x, int axis, const RunningOptions& options,
                 double start, const Combine& combine) {
  const int along = normal_axis(name, axis, x);
  const Tensor src = x.contiguous();
  Tensor dst = Tensor::empty(x.shape(), x.dtype());
  const std::int64_t size = x.shape()[along];
  const std::int64_t inner = dst.strides()[along];
  if (x.numel() == 0) return dst;
  visit_numeric(name, x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>) {
      fail(ErrorCode::unsupported, "{}: expected numbers, got bool", name);
    } else {
      const T* from = src.data<T>().data();
      T* to = dst.mutable_data<T>().data();
      for_each_row(x.numel() / size, size, [&](std::int64_t line) {
        const std::int64_t first = line / inner * size * inner + line % inner;
        auto total = static_cast<Compute<T>>(start);
        for (std::int64_t i = 0; i < size; ++i) {
          const std::int64_t at = first + (options.reverse ? size - 1 - i : i) * inner;
          const auto next = combine(total, static_cast<Compute<T>>(from[at]));
          to[at] = static_cast<T>(options.exclusive ? total : next);
          total = next;
        }
      });
    }
  });
  return dst;
}

}  // namespace

Tensor argmax(const Tensor& x, int axis, Ties ties) {
  return arg_best("argmax", x, axis, ties, [](auto a, auto b) { return is_larger(a, b); });
}

Tensor argmin(const Tensor& x, int axis, Ties ties) {
  // NaN wins here too, and only here: topk puts it last.
  return arg_best("argmin", x, axis, ties,
                  [](auto a, auto b) { return a < b || (a != a && b == b); });
}

Tensor cumsum(const Tensor& x, int axis, const RunningOptions& options) {
  return run_along("cumsum", x, axis, options, 0, [](auto a, auto b) { return plus(a, b); });
}

Tensor cumprod(const Tensor& x, int axis, const RunningOptions& options) {
  return run_along("cumprod", x, axis, options, 1, [](auto a, auto b) { return times(a, b); });
}

TopK topk(const Tensor& x, std::int64_t k, const TopKOptions& options) {
  const int along = normal_axis("topk", options.axis, x);
  const std::int64_t size = x.shape()[along];
  require(k >= 0 && k <= size, "topk: k is {}, axis {} of {} has {} elements", k, options.axis,
          x.shape(), size);
  const Tensor lines = x.transpose(along, x.rank() - 1).contiguous();
  Shape shape = lines.shape();
  shape[x.rank() - 1] = k;
  Tensor values = Tensor::empty(shape, x.dtype());
  Tensor indices = Tensor::empty(shape, DType::i64);
  std::int64_t* places = indices.mutable_data<std::int64_t>().data();
  visit_numeric("topk", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* src = lines.data<T>().data();
    T* out = values.mutable_data<T>().data();
    const auto before = options.largest ? is_larger<Compute<T>> : is_smaller<Compute<T>>;
    for_each_row(k == 0 ? 0 : values.numel() / k, size, [&](std::int64_t row) {
      select(src + row * size, size, k, before, out + row * k, places + row * k);
    });
  });
  return {values.transpose(along, x.rank() - 1).contiguous(),
          indices.transpose(along, x.rank() - 1).contiguous()};
}

}  // namespace quern::ops
