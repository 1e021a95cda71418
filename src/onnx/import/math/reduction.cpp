#include <limits>

#include "onnx/import/functions.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using Fold = Tensor (*)(const Tensor&, std::span<const int>, bool);
using Function = Tensor (*)(const Tensor&);

Tensor as_is(const Tensor& x) { return x; }

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// ONNX's maximum of nothing is the lowest value.
Tensor max_of(const Tensor& x, std::span<const int> axes, bool keep_dims) {
  if (x.numel() > 0) return ops::max(x, axes, keep_dims);
  return Tensor::full(ops::sum(x, axes, keep_dims).shape(), -kInfinity, x.dtype());
}

Tensor min_of(const Tensor& x, std::span<const int> axes, bool keep_dims) {
  if (x.numel() > 0) return ops::min(x, axes, keep_dims);
  return Tensor::full(ops::sum(x, axes, keep_dims).shape(), kInfinity, x.dtype());
}

/// f16 and bf16 are rounded once, after the last step.
DType working_dtype(DType dtype, bool fractions) {
  if (dtype == DType::f16 || dtype == DType::bf16) return DType::f32;
  return fractions && !is_floating(dtype) ? DType::f64 : dtype;
}

/// A function of each element, a fold, a function of each result. Integers take part in a fold of
/// fractions as f64.
template <Function before, Fold fold, Function after, bool fractions>
KernelPtr reduction(const Node& node, const ImportContext&) {
  const bool keep_dims = node.attributes.get("keepdims", std::int64_t{1}) != 0;
  const bool keep_all = node.attributes.get("noop_with_empty_axes", std::int64_t{0}) != 0;
  const std::vector<std::int64_t> bound = node.attributes.ints("axes");
  return make_kernel([=](const Inputs& in) {
    const Tensor& x = in[0];
    const auto axes = checked_axes(in.has(1) ? in.ints(1) : bound, x.rank());
    Tensor result = before(x.cast(working_dtype(x.dtype(), fractions)));
    if (!axes.empty() || !keep_all) result = fold(result, axes, keep_dims);
    return after(result).cast(x.dtype());
  });
}

template <Tensor (*function)(const Tensor&, int, ops::Ties)>
KernelPtr arg_best(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{0});
  const bool keep_dims = node.attributes.get("keepdims", std::int64_t{1}) != 0;
  const bool last = node.attributes.get("select_last_index", std::int64_t{0}) != 0;
  return make_kernel([=](const Inputs& in) {
    const int along = checked_axis(axis, in[0].rank());
    const Tensor found = function(in[0], along, last ? ops::Ties::last : ops::Ties::first);
    Shape shape = in[0].shape();
    shape[along] = 1;
    return keep_dims ? found.reshape(shape) : found;
  });
}

template <Tensor (*function)(const Tensor&, int, const ops::RunningOptions&)>
KernelPtr running(const Node& node, const ImportContext&) {
  const ops::RunningOptions options{
      .exclusive = node.attributes.get("exclusive", std::int64_t{0}) != 0,
      .reverse = node.attributes.get("reverse", std::int64_t{0}) != 0};
  return make_kernel([options](const Inputs& in) {
    const std::vector<std::int64_t> axis = in.ints(1);
    require(axis.size() == 1, "axis has {} elements, expected one", axis.size());
    return function(in[0], checked_axis(axis[0], in[0].rank()), options);
  });
}

KernelPtr top_k(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{-1});
  const bool largest = node.attributes.get("largest", std::int64_t{1}) != 0;
  const auto bound = node.attributes.find<std::int64_t>("k");
  return make_kernel([=](const Inputs& in) {
    const auto count = bound ? std::vector{*bound} : in.ints(1);
    require(count.size() == 1, "k has {} elements, expected one", count.size());
    const int along = checked_axis(axis, in[0].rank());
    auto [values, indices] = ops::topk(in[0], count[0], {.axis = along, .largest = largest});
    return std::vector{values, indices};
  });
}

// clang-format off
constexpr Operator kReductionOperators[] = {
    {.op_type = "ArgMax", .inputs = {1, 1}, .import = arg_best<ops::argmax>,
     .mapping = {.shapes = kSame, .dims = arg_best_dims, .rows = follow_arg_reduce}},
    {.op_type = "ArgMin", .inputs = {1, 1}, .import = arg_best<ops::argmin>,
     .mapping = {.shapes = kSame, .dims = arg_best_dims, .rows = follow_arg_reduce}},
    {.op_type = "CumProd", .since = 26, .import = running<ops::cumprod>,
     .mapping = {.shapes = kConstants, .rows = follow_cumulative}},
    {.op_type = "CumSum", .since = 11, .inputs = {2, 2}, .import = running<ops::cumsum>,
     .mapping = {.shapes = kConstants, .dims = same_dims, .rows = follow_cumulative}},
    {.op_type = "ReduceL1", .inputs = {1, 1}, .import = reduction<ops::abs, ops::sum, as_is, false>,
     .mapping = {.shapes = kConstants, .rows = follow_reduce}},
    {.op_type = "ReduceL1", .since = 18, .inputs = {1, 2},
     .import = reduction<ops::abs, ops::sum, as_is, false>,
     .mapping = {.shapes = kConstants, .rows = follow_reduce}},
    {.op_type = "ReduceL2", .inputs = {1, 1},
     .import = reduction<ops::square, ops::sum, ops::sqrt, true>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce}},
    {.op_type = "ReduceL2", .since = 18, .inputs = {1, 2},
     .import = reduction<ops::square, ops::sum, ops::sqrt, true>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce}},
    {.op_type = "ReduceLogSum", .inputs = {1, 1},
     .import = reduction<as_is, ops::sum, ops::log, true>,
     .mapping = {.shapes = kConstants, .rows = follow_reduce}},
    {.op_type = "ReduceLogSum", .since = 18, .inputs = {1, 2},
     .import = reduction<as_is, ops::sum, ops::log, true>,
     .mapping = {.shapes = kConstants, .rows = follow_reduce}},
    {.op_type = "ReduceLogSumExp", .inputs = {1, 1},
     .import = reduction<as_is, ops::log_sum_exp, as_is, true>,
     .mapping = {.shapes = kConstants, .rows = follow_reduce}},
    {.op_type = "ReduceLogSumExp", .since = 18, .inputs = {1, 2},
     .import = reduction<as_is, ops::log_sum_exp, as_is, true>,
     .mapping = {.shapes = kConstants, .rows = follow_reduce}},
    {.op_type = "ReduceMax", .inputs = {1, 1}, .import = reduction<as_is, max_of, as_is, false>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce},
     .finite = Finite::of_first},
    {.op_type = "ReduceMax", .since = 18, .inputs = {1, 2},
     .import = reduction<as_is, max_of, as_is, false>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce},
     .finite = Finite::of_first},
    {.op_type = "ReduceMean", .inputs = {1, 1}, .import = reduction<as_is, ops::mean, as_is, true>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce},
     .finite = Finite::of_first, .gradient = gradients::reduce_mean},
    {.op_type = "ReduceMean", .since = 18, .inputs = {1, 2},
     .import = reduction<as_is, ops::mean, as_is, true>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce},
     .finite = Finite::of_first, .gradient = gradients::reduce_mean},
    {.op_type = "ReduceMin", .inputs = {1, 1}, .import = reduction<as_is, min_of, as_is, false>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce},
     .finite = Finite::of_first},
    {.op_type = "ReduceMin", .since = 18, .inputs = {1, 2},
     .import = reduction<as_is, min_of, as_is, false>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce},
     .finite = Finite::of_first},
    {.op_type = "ReduceProd", .inputs = {1, 1}, .import = reduction<as_is, ops::prod, as_is, false>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce}},
    {.op_type = "ReduceProd", .since = 18, .inputs = {1, 2},
     .import = reduction<as_is, ops::prod, as_is, false>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce}},
    {.op_type = "ReduceSum", .inputs = {1, 1}, .import = reduction<as_is, ops::sum, as_is, false>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce},
     .finite = Finite::of_first, .gradient = gradients::reduce_sum},
    {.op_type = "ReduceSum", .since = 13, .inputs = {1, 2},
     .import = reduction<as_is, ops::sum, as_is, false>,
     .mapping = {.shapes = kConstants, .dims = reduce_dims, .rows = follow_reduce},
     .finite = Finite::of_first, .gradient = gradients::reduce_sum},
    {.op_type = "ReduceSumSquare", .inputs = {1, 1},
     .import = reduction<ops::square, ops::sum, as_is, true>,
     .mapping = {.shapes = kConstants, .rows = follow_reduce}},
    {.op_type = "ReduceSumSquare", .since = 18, .inputs = {1, 2},
     .import = reduction<ops::square, ops::sum, as_is, true>,
     .mapping = {.shapes = kConstants, .rows = follow_reduce}},
    {.op_type = "TopK", .inputs = {1, 1}, .import = top_k,
     .mapping = {.shapes = kConstants, .rows = follow_along_last_axis}},
    {.op_type = "TopK", .since = 10, .inputs = {2, 2}, .import = top_k,
     .mapping = {.shapes = kConstants, .rows = follow_along_last_axis}},
};
// clang-format on

}  // namespace

OperatorTable reduction_operators() { return kReductionOperators; }

}  // namespace quern::onnx
