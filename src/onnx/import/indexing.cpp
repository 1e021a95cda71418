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

constexpr Operator kIndexingOperators[] = {
    {"Compress", 9, compress},
    {"Gather", 1, along_axis<ops::gather>, kSame},
    {"GatherElements", 11, along_axis<ops::gather_elements>, kSame},
    {"GatherND", 11, gather_nd, kSame},
    {"NonZero", 9, nonzero},
    {"OneHot", 9, one_hot},
    {"Scatter", 9, scatter_elements, kSame},
    {"ScatterElements", 11, scatter_elements, kSame},
    {"ScatterND", 11, scatter_nd, kSame},
    {"TensorScatter", 24, tensor_scatter, kSame},
    {"Unique", 11, unique},
};

}  // namespace

OperatorTable indexing_operators() { return kIndexingOperators; }

}  // namespace quern::onnx
