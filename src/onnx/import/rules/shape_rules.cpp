#include "onnx/import/rules/shape_rules.h"

#include <algorithm>

#include "core/error.h"
#include "onnx/import/import.h"
#include "onnx/window.h"

namespace quern::onnx {
namespace {

using Results = std::vector<Dims>;

/// A number of the file that sizes are computed with.
std::int64_t checked_number(std::int64_t number) {
  require(number >= -kLargestSize && number <= kLargestSize, "a size of {}", number);
  return number;
}

std::size_t at(int axis) { return static_cast<std::size_t>(axis); }

int rank_of(const Dims& dims) { return static_cast<int>(dims.size()); }

Dims with_size(Dims dims, int axis, std::int64_t size) {
  dims[at(axis)] = checked_size(size);
  return dims;
}

/// Integers that older opsets give as an attribute and newer ones as an input; nothing where they
/// are an input that is not known.
std::optional<Dims> ints_of(const Node& node, const KnownInputs& in, const char* name,
                            std::size_t index) {
  return in.has(index) ? in.ints(index) : node.attributes.ints(name);
}

std::int64_t broadcast_size(std::int64_t a, std::int64_t b) {
  if (a == 1) return b;
  if (b == 1 || a == b) return a;
  if (a == kUnknown || b == kUnknown) return std::max(a, b);
  fail(ErrorCode::invalid_argument, "sizes {} and {} do not broadcast", a, b);
}

Dims broadcast(const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims result = longer;
  const std::size_t offset = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i)
    result[offset + i] = broadcast_size(longer[offset + i], shorter[i]);
  return result;
}

/// Places of a window over `x` [batch, channels, ...], behind a batch and `channels`.
Results window_dims(const Node& node, const Dims& x, std::int64_t channels, const Dims& kernel) {
  const WindowAttributes window(node);
  Shape sizes;
  for (const std::int64_t size : kernel) sizes.push_back(checked_number(size));
  Dims result{x[0], channels};
  for (int axis = 0; axis < sizes.rank(); ++axis) {
    const std::int64_t size = x[at(axis) + 2];
    result.push_back(kUnknown);
    if (size == kUnknown || sizes[axis] < 0) continue;
    const auto one_of = [axis](const Shape& values, std::int64_t otherwise) {
      require(values.rank() == 0 || values.rank() > axis, "too few values for axis {}", axis);
      return values.rank() == 0 ? otherwise : checked_number(values[axis]);
    };
    // Where pads follow from sizes, those of the other axes do not matter.
    const auto pads = window.pads(Shape::filled(rank_of(x), size), sizes);
    const std::int64_t stride = one_of(window.strides, 1);
    const std::int64_t reach = (sizes[axis] - 1) * one_of(window.dilations, 1) + 1;
    const std::int64_t room = size + one_of(pads.begin, 0) + one_of(pads.end, 0) - reach;
    if (room >= 0) result.back() = checked_size(room / stride + 1);
  }
  return {result};
}

}  // namespace

// ---- Element by element ----

Results same_dims(const Node&, const KnownInputs& in) {
  const auto x = in.dims(0);
  return x ? Results{*x} : Results{};
}

Results broadcast_dims(const Node&, const KnownInputs& in) {
  Dims result;
  for (std::size_t i = 0; i < in.count(); ++i) {
    const auto x = in.dims(i);
    if (!x) return {};
    result = broadcast(result, *x);
  }
  return {result};
}

// ---- Products and windows ----

Results matmul_dims(const Node&, const KnownInputs& in) {
  auto a = in.dims(0);
  auto b = in.dims(1);
  if (!a || !b || a->size() < 2 || b->size() < 2) return {};
  const std::int64_t rows = (*a)[a->size() - 2];
  const std::int64_t columns = b->back();
  a->resize(a->size() - 2);
  b->resize(b->size() - 2);
  Dims result = broadcast(*a, *b);
  result.insert(result.end(), {rows, columns});
  return {result};
}

Results gemm_dims(const Node& node, const KnownInputs& in) {
  const auto a = in.dims(0);
  const auto b = in.dims(1);
  if (!a || !b || a->size() != 2 || b->size() != 2) return {};
  return {{(*a)[flag(node, "transA") ? 1 : 0], (*b)[flag(node, "transB") ? 0 : 1]}};
}

Results conv_dims(const Node& node, const KnownInputs& in) {
  const auto x = in.dims(0);
  const auto weight = in.dims(1);
  if (!x || !weight || x->size() < 3 || weight->size() != x->size()) return {};
  return window_dims(node, *x, (*weight)[0], Dims(weight->begin() + 2, weight->end()));
}

Results pool_dims(const Node& node, const KnownInputs& in) {
  const auto x = in.dims(0);
  const Dims kernel = node.attributes.ints("kernel_shape");
  if (!x || x->size() < 3 || kernel.size() + 2 != x->size()) return {};
  Results result = window_dims(node, *x, (*x)[1], kernel);
  if (flag(node, "ceil_mode")) std::fill(result[0].begin() + 2, result[0].end(), kUnknown);
  return result;
}

Results global_pool_dims(const Node&, const KnownInputs& in) {
  auto x = in.dims(0);
  if (!x || x->size() < 3) return {};
  std::fill(x->begin() + 2, x->end(), 1);
  return {*x};
}

// ---- Axes ----

Results transpose_dims(const Node& node, const KnownInputs& in) {
  const auto x = in.dims(0);
  if (!x) return {};
  const Dims order = node.attributes.ints("perm");
  if (order.empty()) return {Dims(x->rbegin(), x->rend())};
  require(order.size() == x->size(), "an order of {} axes for rank {}", order.size(), x->size());
  Dims result;
  for (const int axis : checked_axes(order, rank_of(*x))) result.push_back((*x)[at(axis)]);
  return {result};
}

Results flatten_dims(const Node& node, const KnownInputs& in) {
  const auto x = in.dims(0);
  if (!x) return {};
  const std::int64_t given = node.attributes.get("axis", std::int64_t{1});
  const std::int64_t axis = given < 0 ? given + rank_of(*x) : given;
  require(axis >= 0 && axis <= rank_of(*x), "axis {} is out of range", given);
  return {{element_count(Dims(x->begin(), x->begin() + axis)),
           element_count(Dims(x->begin() + axis, x->end()))}};
}

Results squeeze_dims(const Node& node, const KnownInputs& in) {
  const auto x = in.dims(0);
  const auto given = ints_of(node, in, "axes", 1);
  if (!x || !given) return {};
  const bool all = given->empty() && !in.has(1);
  if (all && std::ranges::count(*x, kUnknown) > 0) return {};
  const auto axes = checked_axes(*given, rank_of(*x));
  Dims result;
  for (int axis = 0; axis < rank_of(*x); ++axis) {
    const std::int64_t size = (*x)[at(axis)];
    if (all ? size != 1 : std::ranges::count(axes, axis) == 0) result.push_back(size);
  }
  return {result};
}

Results unsqueeze_dims(const Node& node, const KnownInputs& in) {
  const auto x = in.dims(0);
  const auto given = ints_of(node, in, "axes", 1);
  if (!x || !given) return {};
  const int rank = rank_of(*x) + rank_of(*given);
  require(rank <= Shape::kMaxRank, "a rank of {}", rank);
  const auto axes = checked_axes(*given, rank);
  Dims result;
  auto next = x->begin();
  for (int axis = 0; axis < rank; ++axis) {
    const bool added = std::ranges::count(axes, axis) > 0;
    require(added || next != x->end(), "an axis is given twice");
    result.push_back(added ? 1 : *next++);
  }
  return {result};
}

/// A size of 0 is that of x, one of -1 what is left. What is copied is on both sides, and so need
/// not be known to know what is left.
Results reshape_dims(const Node& node, const KnownInputs& in) {
  const auto wanted = in.sizes(1);
  if (!wanted) return {};
  const bool is_constant = in.ints(1).has_value();  // else -1 is a size not known
  const bool copies = !flag(node, "allowzero");
  const auto x = in.dims(0);
  Dims left = x.value_or(Dims{});
  Dims given;
  Dims result;
  for (std::size_t i = 0; i < wanted->size(); ++i) {
    const std::int64_t size = (*wanted)[i];
    const bool copied = size == 0 && copies;
    result.push_back(copied ? (i < left.size() ? left[i] : kUnknown) : checked_size(size));
    if (copied && i < left.size()) left[i] = 1;
    if (!copied && size != -1) given.push_back(result.back());
  }
  const std::int64_t count = x ? element_count(left) : kUnknown;
  const std::int64_t divisor = element_count(given);
  const auto rest = std::ranges::find(*wanted, -1);
  if (is_constant && rest != wanted->end() && count != kUnknown && divisor > 0)
    result[static_cast<std::size_t>(rest - wanted->begin())] = count / divisor;
  return {result};
}

Results concat_dims(const Node& node, const KnownInputs& in) {
  auto result = in.dims(0);
  if (!result) return {};
  const int axis = checked_axis(node.attributes.get("axis", std::int64_t{1}), rank_of(*result));
  std::int64_t total = (*result)[at(axis)];
  for (std::size_t i = 1; i < in.count(); ++i) {
    const auto x = in.dims(i);
    if (!x) return {Dims(result->size(), kUnknown)};
    require(x->size() == result->size(), "ranks {} and {}", x->size(), result->size());
    for (std::size_t k = 0; k < x->size(); ++k) (*result)[k] = std::max((*result)[k], (*x)[k]);
    const std::int64_t size = (*x)[at(axis)];
    total = total == kUnknown || size == kUnknown ? kUnknown : checked_size(total + size);
  }
  return {with_size(*result, axis, total)};
}

Results split_dims(const Node& node, const KnownInputs& in) {
  const auto x = in.dims(0);
  const auto sizes = ints_of(node, in, "split", 1);
  if (!x) return {};
  const int axis = checked_axis(node.attributes.get("axis", std::int64_t{0}), rank_of(*x));
  Results results(node.outputs.size(), with_size(*x, axis, kUnknown));
  const std::int64_t total = (*x)[at(axis)];
  const auto count = static_cast<std::int64_t>(results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (sizes && sizes->size() == results.size()) {
      results[i] = with_size(*x, axis, (*sizes)[i]);
    } else if (sizes && sizes->empty() && total != kUnknown && total % count == 0) {
      results[i] = with_size(*x, axis, total / count);
    }
  }
  return results;
}

Results slice_dims(const Node& node, const KnownInputs& in) {
  const auto x = in.dims(0);
  if (!x) return {};
  Results unknown{Dims(x->size(), kUnknown)};
  const auto starts = ints_of(node, in, "starts", 1);
  const auto ends = ints_of(node, in, "ends", 2);
  const auto given_axes = ints_of(node, in, "axes", 3);
  const auto steps = in.has(4) ? in.ints(4) : Dims();
  if (!starts || !ends || !given_axes || !steps) return unknown;
  std::vector<int> axes = checked_axes(*given_axes, rank_of(*x));
  for (int i = 0; given_axes->empty() && i < rank_of(*starts); ++i) axes.push_back(i);
  require(axes.size() == starts->size() && ends->size() == starts->size() &&
              axes.size() <= x->size() && (steps->empty() || steps->size() == starts->size()),
          "starts, ends, axes and steps differ in number");
  Dims result = *x;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    std::int64_t& size = result[at(axes[i])];
    const std::int64_t step = steps->empty() ? 1 : (*steps)[i];
    if (size == kUnknown) continue;
    const std::int64_t kept = clamped_place((*ends)[i], size) - clamped_place((*starts)[i], size);
    size = step == 1 ? std::max<std::int64_t>(kept, 0) : kUnknown;
  }
  return {result};
}

Results gather_dims(const Node& node, const KnownInputs& in) {
  const auto x = in.dims(0);
  const auto indices = in.dims(1);
  if (!x || !indices) return {};
  const int axis = checked_axis(node.attributes.get("axis", std::int64_t{0}), rank_of(*x));
  Dims result(x->begin(), x->begin() + axis);
  result.insert(result.end(), indices->begin(), indices->end());
  result.insert(result.end(), x->begin() + axis + 1, x->end());
  return {result};
}

Results expand_dims(const Node&, const KnownInputs& in) {
  const auto x = in.dims(0);
  auto sizes = in.sizes(1);
  if (!x || !sizes) return {};
  std::ranges::transform(*sizes, sizes->begin(), checked_size);
  return {broadcast(*x, *sizes)};
}

Results constant_of_shape_dims(const Node&, const KnownInputs& in) {
  auto sizes = in.sizes(0);
  if (!sizes) return {};
  std::ranges::transform(*sizes, sizes->begin(), checked_size);
  return {*sizes};
}

Results reduce_dims(const Node& node, const KnownInputs& in) {
  const auto x = in.dims(0);
  const auto given = ints_of(node, in, "axes", 1);
  const bool keeps = node.attributes.get("keepdims", std::int64_t{1}) != 0;
  if (!x) return {};
  if (!given) return keeps ? Results{Dims(x->size(), kUnknown)} : Results{};
  if (given->empty() && flag(node, "noop_with_empty_axes")) return {*x};
  const auto axes = checked_axes(*given, rank_of(*x));
  Dims result;
  for (int axis = 0; axis < rank_of(*x); ++axis) {
    const bool reduced = axes.empty() || std::ranges::count(axes, axis) > 0;
    if (!reduced) result.push_back((*x)[at(axis)]);
    if (reduced && keeps) result.push_back(1);
  }
  return {result};
}

Results arg_best_dims(const Node& node, const KnownInputs& in) {
  auto x = in.dims(0);
  if (!x) return {};
  const int axis = checked_axis(node.attributes.get("axis", std::int64_t{0}), rank_of(*x));
  if (node.attributes.get("keepdims", std::int64_t{1}) != 0) return {with_size(*x, axis, 1)};
  x->erase(x->begin() + axis);
  return {*x};
}

Results no_dims(const Node&, const KnownInputs&) { return {Dims{}}; }

}  // namespace quern::onnx
