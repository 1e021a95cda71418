#include "ops/reduction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>

#include "core/parallel.h"
#include "core/visit.h"
#include "ops/rows.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

using backend::Reduction;

template <Reduction kOperation, class T>
T combine(T total, T value) {
  if constexpr (kOperation == Reduction::max)
    return value > total || value != value ? value : total;
  if constexpr (kOperation == Reduction::min)
    return value < total || value != value ? value : total;
  if constexpr (kOperation == Reduction::mul) return total * value;
  return total + value;
}

// What values are combined in: sums and products in double, or in integers that wrap.
template <Reduction kOperation, class T>
using Wide = std::conditional_t<
    is_narrow_float<T> || std::is_floating_point_v<T>, double,
    std::conditional_t<kOperation == Reduction::max || kOperation == Reduction::min, T,
                       std::uint64_t>>;

// In several lanes, which are combined at the end.
template <Reduction kOperation, class T>
Wide<kOperation, T> fold(const T* row, std::int64_t size) {
  using Total = Wide<kOperation, T>;
  constexpr bool kIsSum = kOperation == Reduction::sum || kOperation == Reduction::mean;
  constexpr std::int64_t kLanes = 8;
  const auto value = [row](std::int64_t i) {
    return static_cast<Total>(static_cast<Compute<T>>(row[i]));
  };
  Total start{};
  if constexpr (kOperation == Reduction::mul) start = 1;
  if constexpr (!kIsSum && kOperation != Reduction::mul) start = value(0);
  Total lanes[kLanes];
  std::fill(std::begin(lanes), std::end(lanes), start);
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = combine<kOperation>(lanes[lane], value(i + lane));
  }
  for (; i < size; ++i) lanes[0] = combine<kOperation>(lanes[0], value(i));
  for (std::int64_t lane = 1; lane < kLanes; ++lane)
    lanes[0] = combine<kOperation>(lanes[0], lanes[lane]);
  if constexpr (kOperation == Reduction::mean) lanes[0] /= static_cast<Total>(size);
  return lanes[0];
}

template <class T>
double log_sum_exp_of(const T* row, std::int64_t size) {
  if (size == 0) return -std::numeric_limits<double>::infinity();
  const double largest = fold<Reduction::max>(row, size);
  if (!std::isfinite(largest)) return largest;
  double total = 0;
  for (std::int64_t i = 0; i < size; ++i) total += std::exp(static_cast<double>(row[i]) - largest);
  return largest + std::log(total);
}

/// x with the axes last that `full` has as 1, as rows.
Tensor as_rows(const Tensor& x, const Shape& full) {
  Shape order, reduced;
  for (int axis = 0; axis < x.rank(); ++axis)
    (full[axis] == x.shape()[axis] ? order : reduced).push_back(axis);
  for (const std::int64_t axis : reduced) order.push_back(axis);
  return x.permute(order).contiguous();
}

/// dst, contiguous with size 1 along reduced axes: function(row, size) of each row of `x`.
template <class T, class Dst, class Function>
void reduce_rows(const Tensor& x, Tensor dst, const Function& function) {
  const std::int64_t count = dst.numel();
  if (count == 0) return;
  const Tensor rows = as_rows(x, dst.shape());
  const std::int64_t size = x.numel() / count;
  const T* src = rows.data<T>().data();
  Dst* out = dst.mutable_data<Dst>().data();
  for_each_row(count, size, [&](std::int64_t row) {
    out[row] = static_cast<Dst>(static_cast<Compute<Dst>>(function(src + row * size, size)));
  });
}

/// x with the axes first that `full` has as 1, where it lies so without gaps.
std::optional<Tensor> as_lines(const Tensor& x, const Shape& full) {
  Shape order, kept;
  for (int axis = 0; axis < x.rank(); ++axis)
    (full[axis] == x.shape()[axis] ? kept : order).push_back(axis);
  for (const std::int64_t axis : kept) order.push_back(axis);
  const Tensor lines = x.permute(order);
  return lines.is_contiguous() ? std::optional(lines) : std::nullopt;
}

// Sums of up to 2^23 bytes fit into 32 bits, which are fast.
template <Reduction kOperation, class T>
using LineTotal =
    std::conditional_t<kOperation == Reduction::sum && sizeof(T) == 1 && std::is_integral_v<T>,
                       std::int32_t, Wide<kOperation, T>>;

/// dst: lines of x, which follow one another, combined place by place. False where x lies
/// otherwise.
template <Reduction kOperation, class T, class Dst>
bool reduce_lines(const Tensor& x, Tensor dst) {
  using Total = LineTotal<kOperation, T>;
  constexpr std::int64_t kMostLines = 1 << 23;
  constexpr std::int64_t kGrain = 256;
  const std::int64_t width = dst.numel();
  const auto lines = width > 1 && x.numel() > 0 ? as_lines(x, dst.shape()) : std::nullopt;
  if (!lines) return false;
  const std::int64_t count = x.numel() / width;
  if (count > kMostLines) return false;
  const T* src = lines->data<T>().data();
  Dst* out = dst.mutable_data<Dst>().data();
  const auto value = [](T element) { return static_cast<Total>(static_cast<Compute<T>>(element)); };
  parallel_for(width, std::max<std::int64_t>(kGrain, 16384 / count),
               [&](std::int64_t begin, std::int64_t end) {
                 const std::int64_t size = end - begin;
                 const auto totals = std::make_unique<Total[]>(static_cast<std::size_t>(size));
                 std::transform(src + begin, src + end, totals.get(), value);
                 for (std::int64_t line = 1; line < count; ++line) {
                   const T* row = src + line * width + begin;
                   for (std::int64_t i = 0; i < size; ++i)
                     totals[i] = combine<kOperation>(totals[i], value(row[i]));
                 }
                 for (std::int64_t i = 0; i < size; ++i) {
                   Total total = totals[i];
                   if constexpr (kOperation == Reduction::mean) total /= static_cast<Total>(count);
                   out[begin + i] = static_cast<Dst>(static_cast<Compute<Dst>>(total));
                 }
               });
  return true;
}

template <Reduction kOperation, class T, class Dst>
void reduce(const ReductionArgs& args) {
  if (reduce_lines<kOperation, T, Dst>(args.src, args.dst)) return;
  reduce_rows<T, Dst>(args.src, args.dst, fold<kOperation, T>);
}

bool run_reference(const ReductionArgs& args) {
  visit_numeric("reduce", args.src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Sum = std::conditional_t<std::is_integral_v<T>, std::int64_t, T>;
    switch (args.operation) {
      case Reduction::sum:
        return reduce<Reduction::sum, T, Sum>(args);
      case Reduction::mean:
        return reduce<Reduction::mean, T, Sum>(args);
      case Reduction::max:
        return reduce<Reduction::max, T, T>(args);
      case Reduction::min:
        return reduce<Reduction::min, T, T>(args);
      case Reduction::mul:
        return reduce<Reduction::mul, T, Sum>(args);
    }
  });
  return true;
}

bool run_onednn(const ReductionArgs& args) {
  constexpr std::int64_t kWorthIt = 16384;
  const bool sums = args.operation == Reduction::sum ||
                    args.operation == Reduction::mean;  // NaN wins in the others
  if (!sums || args.src.dtype() != DType::f32 || args.src.numel() < kWorthIt) return false;
  if (!args.src.is_contiguous() || args.dst.numel() == args.src.numel()) return false;
  const auto operation = backend::try_prepare(backend::ReductionDesc{
      backend::describe(args.src), backend::describe(args.dst), args.operation});
  if (!operation) return false;
  operation->run({{backend::Slot::src, args.src.raw()}, {backend::Slot::dst, args.dst.raw()}});
  return true;
}

constexpr Implementation<ReductionArgs> kReductionImplementations[] = {
    {"onednn", run_onednn}, {"reference", run_reference}};

/// The shapes of a result: with size 1 along reduced axes, and as asked for.
struct ReducedShapes {
  Shape full, kept;
};

ReducedShapes reduced_shapes(const char* name, const Tensor& x, std::span<const int> axes,
                             bool keep_dims) {
  std::array<bool, Shape::kMaxRank> reduced{};
  for (const int axis : axes) reduced[static_cast<std::size_t>(normal_axis(name, axis, x))] = true;
  ReducedShapes shapes;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const bool drop = axes.empty() || reduced[static_cast<std::size_t>(axis)];
    shapes.full.push_back(drop ? 1 : x.shape()[axis]);
    if (!drop || keep_dims) shapes.kept.push_back(shapes.full[axis]);
  }
  return shapes;
}

Tensor reduce(const char* name, Reduction operation, const Tensor& x, std::span<const int> axes,
              bool keep_dims) {
  const auto [full, kept] = reduced_shapes(name, x, axes, keep_dims);
  const bool picks = operation == Reduction::max || operation == Reduction::min;
  require(!picks || x.numel() > 0 || full.numel() == 0, "{}: no elements in shape {}", name,
          x.shape());
  const DType dtype = picks || is_floating(x.dtype()) ? x.dtype() : DType::i64;
  ReductionArgs args{operation, x, Tensor::empty(full, dtype)};
  run_first(reduction_implementations(), args);
  return args.dst.reshape(kept);
}

}  // namespace

std::span<const Implementation<ReductionArgs>> reduction_implementations() {
  return kReductionImplementations;
}

Tensor sum(const Tensor& x, std::span<const int> axes, bool keep_dims) {
  return reduce("sum", Reduction::sum, x, axes, keep_dims);
}

Tensor mean(const Tensor& x, std::span<const int> axes, bool keep_dims) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "mean: expected a floating dtype, got {}", x.dtype());
  return reduce("mean", Reduction::mean, x, axes, keep_dims);
}

Tensor max(const Tensor& x, std::span<const int> axes, bool keep_dims) {
  return reduce("max", Reduction::max, x, axes, keep_dims);
}

Tensor min(const Tensor& x, std::span<const int> axes, bool keep_dims) {
  return reduce("min", Reduction::min, x, axes, keep_dims);
}

Tensor prod(const Tensor& x, std::span<const int> axes, bool keep_dims) {
  return reduce("prod", Reduction::mul, x, axes, keep_dims);
}

Tensor log_sum_exp(const Tensor& x, std::span<const int> axes, bool keep_dims) {
  const auto [full, kept] = reduced_shapes("log_sum_exp", x, axes, keep_dims);
  Tensor dst = Tensor::empty(full, x.dtype());
  visit_floating("log_sum_exp", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    reduce_rows<T, T>(x, dst, log_sum_exp_of<T>);
  });
  return dst.reshape(kept);
}

}  // namespace quern::ops
