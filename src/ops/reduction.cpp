#include "ops/reduction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/strided.h"
#include "core/visit.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

using backend::Reduction;

int normal_axis(const char* name, int axis, const Tensor& x) {
  require(axis >= -x.rank() && axis < x.rank(), "{}: axis {} is out of range for shape {}", name,
          axis, x.shape());
  return axis < 0 ? axis + x.rank() : axis;
}

template <Reduction kOperation, class T>
T combine(T total, T value) {
  if constexpr (kOperation == Reduction::sum || kOperation == Reduction::mean) return total + value;
  if constexpr (kOperation == Reduction::max)
    return value > total || value != value ? value : total;
  if constexpr (kOperation == Reduction::min)
    return value < total || value != value ? value : total;
  return total;
}

// Sums are accumulated in double or 64-bit integers.
template <Reduction kOperation, class T, class Dst>
void reduce(const ReductionArgs& args) {
  using Wide =
      std::conditional_t<is_narrow_float<T> || std::is_floating_point_v<T>, double,
                         std::conditional_t<std::is_same_v<Dst, std::int64_t>, std::int64_t, T>>;
  const auto* src = static_cast<const T*>(args.src.raw());
  const Shape shape = args.src.shape();
  Tensor totals = Tensor::empty(args.dst.shape(), dtype_of<Wide>);
  const auto total = totals.mutable_data<Wide>();
  constexpr bool kIsSum = kOperation == Reduction::sum || kOperation == Reduction::mean;
  std::vector<bool> started(total.size(), kIsSum);
  std::fill(total.begin(), total.end(), Wide{});
  Tensor expanded = totals.expand(shape);
  for_each_run<2>(shape, {args.src.strides(), expanded.strides()},
                  [&](const auto& offsets, std::int64_t count, const auto& strides) {
                    for (std::int64_t i = 0; i < count; ++i) {
                      const auto value = static_cast<Wide>(
                          static_cast<Compute<T>>(src[offsets[0] + i * strides[0]]));
                      const auto at = static_cast<std::size_t>(offsets[1] + i * strides[1]);
                      total[at] = started[at] ? combine<kOperation>(total[at], value) : value;
                      started[at] = true;
                    }
                  });
  const auto count = static_cast<Wide>(
      total.empty() ? 1 : shape.numel() / static_cast<std::int64_t>(total.size()));
  Tensor dst = args.dst;
  const auto out = dst.mutable_data<Dst>();
  for (std::size_t i = 0; i < total.size(); ++i) {
    const Wide value = kOperation == Reduction::mean ? total[i] / count : total[i];
    if constexpr (is_narrow_float<Dst>) {
      out[i] = Dst(static_cast<float>(value));
    } else {
      out[i] = static_cast<Dst>(value);
    }
  }
}

bool run_reference(const ReductionArgs& args) {
  visit_numeric("reduce", args.src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr bool kInteger = std::is_integral_v<T>;
    using Sum = std::conditional_t<kInteger, std::int64_t, T>;
    switch (args.operation) {
      case Reduction::sum:
        return reduce<Reduction::sum, T, Sum>(args);
      case Reduction::mean:
        return reduce<Reduction::mean, T, Sum>(args);
      case Reduction::max:
        return reduce<Reduction::max, T, T>(args);
      case Reduction::min:
        return reduce<Reduction::min, T, T>(args);
      default:
        fail(ErrorCode::internal, "reduce: no reference");
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

constexpr Implementation<ReductionArgs> kImplementations[] = {{"onednn", run_onednn},
                                                              {"reference", run_reference}};

Tensor reduce(const char* name, Reduction operation, const Tensor& x, std::span<const int> axes,
              bool keep_dims) {
  std::array<bool, Shape::kMaxRank> reduced{};
  for (const int axis : axes) reduced[static_cast<std::size_t>(normal_axis(name, axis, x))] = true;
  Shape kept, full;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const bool drop = axes.empty() || reduced[static_cast<std::size_t>(axis)];
    full.push_back(drop ? 1 : x.shape()[axis]);
    if (!drop || keep_dims) kept.push_back(full[axis]);
  }
  const bool sums = operation == Reduction::sum || operation == Reduction::mean;
  require(sums || x.numel() > 0 || full.numel() == 0, "{}: no elements in shape {}", name,
          x.shape());
  const DType dtype = sums && !is_floating(x.dtype()) ? DType::i64 : x.dtype();
  ReductionArgs args{operation, x, Tensor::empty(full, dtype)};
  run_first(reduction_implementations(), args);
  return args.dst.reshape(kept);
}

}  // namespace

std::span<const Implementation<ReductionArgs>> reduction_implementations() {
  return kImplementations;
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

Tensor argmax(const Tensor& x, int axis) {
  const int along = normal_axis("argmax", axis, x);
  require(x.shape()[along] > 0, "argmax: no elements along axis {} of shape {}", axis, x.shape());
  const Tensor lines = x.transpose(along, x.rank() - 1).contiguous();
  const std::int64_t size = lines.dim(-1);
  Shape shape = lines.shape();
  shape[x.rank() - 1] = 1;
  Tensor best = Tensor::empty(shape, DType::i64);
  const auto index = best.mutable_data<std::int64_t>();
  visit_numeric("argmax", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* line = lines.data<T>().data();
    for (std::size_t i = 0; i < index.size(); ++i, line += size) {
      index[i] = 0;
      for (std::int64_t j = 1; j < size; ++j) {
        const auto value = static_cast<Compute<T>>(line[j]);
        const auto top = static_cast<Compute<T>>(line[index[i]]);
        if (value > top || (value != value && top == top)) index[i] = j;
      }
    }
  });
  Shape kept;
  const Tensor placed = best.transpose(along, x.rank() - 1);
  for (int i = 0; i < x.rank(); ++i) {
    if (i != along) kept.push_back(x.shape()[i]);
  }
  return placed.reshape(kept).contiguous();
}

}  // namespace quern::ops
