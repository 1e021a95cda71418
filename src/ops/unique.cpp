#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/visit.h"
#include "ops/axis.h"
#include "quern/ops/indexing.h"

namespace quern::ops {
namespace {

/// NaN follows every number, so that this is an order.
template <class T>
bool precedes(const T& a, const T& b) {
  if constexpr (is_narrow_float<T> || std::is_floating_point_v<T>) {
    if (std::isnan(static_cast<Compute<T>>(a))) return false;
    if (std::isnan(static_cast<Compute<T>>(b))) return true;
  }
  return a < b;
}

using RowPlaces = std::vector<std::int64_t>;

/// Places of the rows [count, size] in ascending order, equal ones in that of their places; and for
/// each place of that order, whether it holds another row than the one before.
struct Order {
  RowPlaces places;
  std::vector<bool> starts;
};

template <class T>
Order order_rows(const T* rows, std::int64_t count, std::int64_t size) {
  Order order{RowPlaces(static_cast<std::size_t>(count)),
              std::vector<bool>(static_cast<std::size_t>(count))};
  std::iota(order.places.begin(), order.places.end(), 0);
  const auto less = [&](std::int64_t a, std::int64_t b) {
    return std::lexicographical_compare(rows + a * size, rows + (a + 1) * size, rows + b * size,
                                        rows + (b + 1) * size, precedes<T>);
  };
  std::ranges::stable_sort(order.places, less);
  for (std::size_t i = 0; i < order.places.size(); ++i)
    order.starts[i] = i == 0 || less(order.places[i - 1], order.places[i]);
  return order;
}

Order order_rows(const Tensor& rows) {
  const Tensor src = is_narrow(rows.dtype()) ? rows.cast(DType::f32) : rows;
  Order order;
  visit_dtype(src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (is_number<T> || std::is_same_v<T, std::string>)
      order = order_rows(src.data<T>().data(), src.dim(0), src.dim(1));
  });
  return order;
}

/// Runs of equal rows, in the order wanted, as the places of their first rows in `order`.
std::vector<std::size_t> runs_of(const Order& order, bool sorted) {
  std::vector<std::size_t> runs;
  for (std::size_t i = 0; i < order.places.size(); ++i) {
    if (order.starts[i]) runs.push_back(i);
  }
  if (!sorted) {
    std::ranges::sort(runs, {}, [&](std::size_t run) { return order.places[run]; });
  }
  return runs;
}

}  // namespace

UniqueResult unique(const Tensor& x, std::optional<int> axis, bool sorted) {
  const int along = axis ? checked_axis("unique", *axis, x.shape()) : 0;
  const Tensor src = axis ? x : x.reshape({-1});
  const std::int64_t count = src.shape()[along];
  Shape front{along};
  Shape rest;
  for (int i = 0; i < src.rank(); ++i) {
    if (i == along) continue;
    front.push_back(i);
    rest.push_back(src.shape()[i]);
  }
  const std::int64_t size = rest.numel();
  const Order order = order_rows(src.permute(front).reshape({count, size}).contiguous());
  RowPlaces first, counts, inverse(static_cast<std::size_t>(count));
  for (const std::size_t run : runs_of(order, sorted)) {
    std::size_t i = run;
    do {
      inverse[static_cast<std::size_t>(order.places[i])] = std::ssize(first);
    } while (++i < order.places.size() && !order.starts[i]);
    first.push_back(order.places[run]);
    counts.push_back(static_cast<std::int64_t>(i - run));
  }
  const Tensor places = Tensor::from(first, {std::ssize(first)});
  return {gather(src, places, along), places, Tensor::from(inverse, {count}),
          Tensor::from(counts, {std::ssize(counts)})};
}

}  // namespace quern::ops
