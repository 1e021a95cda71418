#include <algorithm>

#include "onnx/import/import.h"

namespace quern::onnx {
namespace {

KernelPtr identity(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return in.value(0); });
}

KernelPtr reshape(const Node& node, const ImportContext&) {
  const bool allow_zero = node.attributes.get("allowzero", std::int64_t{0}) != 0;
  return make_kernel([allow_zero](const Inputs& in) {
    const Tensor& x = in[0];
    Shape wanted(in.ints(1));
    for (int axis = 0; axis < wanted.rank() && !allow_zero; ++axis) {
      if (wanted[axis] == 0) wanted[axis] = x.dim(axis);
    }
    return x.reshape(wanted);
  });
}

KernelPtr shape(const Node& node, const ImportContext&) {
  const std::int64_t start = node.attributes.get("start", std::int64_t{0});
  const auto end = node.attributes.find<std::int64_t>("end");
  return make_kernel([start, end](const Inputs& in) {
    const Shape& dims = in[0].shape();
    const std::int64_t rank = dims.rank();
    const auto place = [&](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank);
    };
    const std::int64_t first = place(start);
    const std::int64_t last = std::max(first, place(end.value_or(rank)));
    const std::span<const std::int64_t> kept(dims.begin() + first, dims.begin() + last);
    return Tensor::from(kept, {last - first});
  });
}

KernelPtr size(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return Tensor::scalar(in[0].numel()); });
}

KernelPtr transpose(const Node& node, const ImportContext&) {
  const std::vector<std::int64_t> permutation = node.attributes.ints("perm");
  return make_kernel([permutation](const Inputs& in) {
    Shape axes(permutation);
    for (int axis = in[0].rank(); permutation.empty() && axis-- > 0;) axes.push_back(axis);
    return in[0].permute(axes);
  });
}

constexpr Operator kOperators[] = {
    {"Identity", 1, identity, ShapesFrom::input_shapes},
    {"Reshape", 5, reshape, ShapesFrom::input_constants},
    {"Shape", 1, shape, ShapesFrom::input_shapes, Purity::shape_only},
    {"Size", 1, size, ShapesFrom::input_shapes, Purity::shape_only},
    {"Transpose", 1, transpose, ShapesFrom::input_shapes},
};

}  // namespace

OperatorTable shape_operators() { return kOperators; }

}  // namespace quern::onnx
