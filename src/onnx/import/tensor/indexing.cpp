#include <algorithm>
#include <cmath>

#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

ops::ScatterReduction reduction_of(const Node& node) {
  constexpr std::pair<std::string_view, ops::ScatterReduction> kReductions[] = {
      {"none", ops::ScatterReduction::none}, {"add", ops::ScatterReduction::add},
      {"mul", ops::ScatterReduction::mul},   {"min", ops::ScatterReduction::min},
      {"max", ops::ScatterReduction::max},
  };
  const std::string name = node.attributes.get("reduction", "none");
  for (const auto& [known, reduction] : kReductions) {
    if (known == name) return reduction;
  }
  fail(ErrorCode::corrupt_file, "reduction \"{}\"; known are none, add, mul, min and max", name);
}

template <Tensor (*function)(const Tensor&, const Tensor&, int)>
KernelPtr along_axis(const Node& node, const ImportContext&) {
  return make_kernel([axis = node.attributes.get("axis", std::int64_t{0})](const Inputs& in) {
    return function(in[0], in[1], checked_axis(axis, in[0].rank()));
  });
}

KernelPtr gather_nd(const Node& node, const ImportContext&) {
  const std::int64_t given = node.attributes.get("batch_dims", std::int64_t{0});
  const int batch_dims = static_cast<int>(std::clamp<std::int64_t>(given, -1, Shape::kMaxRank + 1));
  return make_kernel(
      [batch_dims](const Inputs& in) { return ops::gather_nd(in[0], in[1], batch_dims); });
}

KernelPtr scatter_elements(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{0});
  return make_kernel([axis, reduction = reduction_of(node)](const Inputs& in) {
    return ops::scatter_elements(in[0], in[1], in[2], checked_axis(axis, in[0].rank()), reduction);
  });
}

KernelPtr scatter_nd(const Node& node, const ImportContext&) {
  return make_kernel([reduction = reduction_of(node)](const Inputs& in) {
    return ops::scatter_nd(in[0], in[1], in[2], reduction);
  });
}

KernelPtr tensor_scatter(const Node& node, const ImportContext&) {
  const std::string mode = node.attributes.get("mode", "linear");
  if (mode != "linear" && mode != "circular")
    fail(ErrorCode::corrupt_file, "mode \"{}\"; known are linear and circular", mode);
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{-2});
  return make_kernel([axis, circular = mode == "circular"](const Inputs& in) {
    return ops::scatter_rows(in[0], in[1], in.find(2), checked_axis(axis, in[0].rank()), circular);
  });
}

KernelPtr one_hot(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{-1});
  return make_kernel([axis](const Inputs& in) {
    const std::int64_t depth = in[1].reshape(Shape{}).cast(DType::i64).item<std::int64_t>();
    return ops::one_hot(in[0], depth, in[2], checked_axis(axis, in[0].rank() + 1));
  });
}

KernelPtr nonzero(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return ops::nonzero(in[0]); });
}

std::optional<int> optional_axis(const std::optional<std::int64_t>& axis, const Tensor& x) {
  return axis ? std::optional<int>(checked_axis(*axis, x.rank())) : std::nullopt;
}

KernelPtr compress(const Node& node, const ImportContext&) {
  return make_kernel([axis = node.attributes.find<std::int64_t>("axis")](const Inputs& in) {
    return ops::compress(in[0], in[1], optional_axis(axis, in[0]));
  });
}

KernelPtr unique(const Node& node, const ImportContext&) {
  const auto axis = node.attributes.find<std::int64_t>("axis");
  const bool sorted = node.attributes.get("sorted", std::int64_t{1}) != 0;
  return make_kernel([axis, sorted](const Inputs& in) {
    ops::UniqueResult found = ops::unique(in[0], optional_axis(axis, in[0]), sorted);
    return std::vector<Tensor>{std::move(found.values), std::move(found.first),
                               std::move(found.inverse), std::move(found.counts)};
  });
}

// clang-format off
constexpr Operator kIndexingOperators[] = {
    {.op_type = "Compress", .since = 9, .inputs = {2, 2}, .import = compress},
    {.op_type = "Gather", .inputs = {2, 2}, .import = along_axis<ops::gather>,
     .mapping = {.shapes = kSame, .dims = gather_dims, .rows = follow_gather,
                 .sizes = gather_sizes}, .finite = Finite::of_first, .carries_sizes = true},
    {.op_type = "GatherElements", .since = 11, .inputs = {2, 2},
     .import = along_axis<ops::gather_elements>, .mapping = {.shapes = kSame}},
    {.op_type = "GatherND", .since = 11, .inputs = {2, 2}, .import = gather_nd,
     .mapping = {.shapes = kSame}},
    {.op_type = "NonZero", .since = 9, .inputs = {1, 1}, .import = nonzero},
    {.op_type = "OneHot", .since = 9, .inputs = {3, 3}, .import = one_hot,
     .mapping = {.rows = follow_one_hot}},
    {.op_type = "Scatter", .since = 9, .inputs = {3, 3}, .import = scatter_elements,
     .mapping = {.shapes = kSame}},
    {.op_type = "ScatterElements", .since = 11, .inputs = {3, 3}, .import = scatter_elements,
     .mapping = {.shapes = kSame}},
    {.op_type = "ScatterND", .since = 11, .inputs = {3, 3}, .import = scatter_nd,
     .mapping = {.shapes = kSame}},
    {.op_type = "TensorScatter", .since = 24, .inputs = {2, 3}, .import = tensor_scatter,
     .mapping = {.shapes = kSame}},
    {.op_type = "Unique", .since = 11, .inputs = {1, 1}, .import = unique},
};
// clang-format on

}  // namespace

OperatorTable indexing_operators() { return kIndexingOperators; }

}  // namespace quern::onnx
