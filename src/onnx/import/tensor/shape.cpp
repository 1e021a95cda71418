#include <algorithm>
#include <limits>

#include "core/format.h"
#include "core/runtime.h"
#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using Ints = std::vector<std::int64_t>;

KernelPtr identity(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return in.value(0); });
}

KernelPtr reshape(const Node& node, const ImportContext&) {
  const bool allow_zero = node.attributes.get("allowzero", std::int64_t{0}) != 0;
  return make_kernel([=](const Inputs& in) {
    const Tensor& x = in[0];
    Shape wanted(in.ints(1));
    for (int axis = 0; axis < wanted.rank() && !allow_zero; ++axis) {
      if (wanted[axis] == 0) wanted[axis] = x.dim(axis);
    }
    return x.reshape(wanted);
  });
}

KernelPtr flatten(const Node& node, const ImportContext&) {
  const std::int64_t given = node.attributes.get("axis", std::int64_t{1});
  return make_kernel([given](const Inputs& in) {
    const Tensor& x = in[0];
    const std::int64_t axis = given < 0 ? given + x.rank() : given;
    require(axis >= 0 && axis <= x.rank(), "axis {} is out of range for rank {}", given, x.rank());
    const std::int64_t* dims = x.shape().begin();
    return x.reshape({Shape(std::span(dims, dims + axis)).numel(),
                      Shape(std::span(dims + axis, x.shape().end())).numel()});
  });
}

KernelPtr squeeze(const Node& node, const ImportContext&) {
  return make_kernel([given = node.attributes.ints("axes")](const Inputs& in) {
    Tensor x = in[0];
    std::vector<int> axes = checked_axes(in.has(1) ? in.ints(1) : given, x.rank());
    if (axes.empty() && !in.has(1)) {
      for (int axis = 0; axis < x.rank(); ++axis) {
        if (x.shape()[axis] == 1) axes.push_back(axis);
      }
    }
    std::ranges::sort(axes, std::greater<>());
    axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
    for (const int axis : axes) x = x.squeeze(axis);
    return x;
  });
}

KernelPtr unsqueeze(const Node& node, const ImportContext&) {
  return make_kernel([given = node.attributes.ints("axes")](const Inputs& in) {
    Tensor x = in[0];
    const Ints added = in.has(1) ? in.ints(1) : given;
    require(added.size() <= Shape::kMaxRank, "{} axes are too many", added.size());
    std::vector<int> axes = checked_axes(added, x.rank() + static_cast<int>(added.size()));
    std::ranges::sort(axes);
    require(std::ranges::adjacent_find(axes) == axes.end(), "an axis is given twice");
    for (const int axis : axes) x = x.unsqueeze(axis);
    return x;
  });
}

KernelPtr shape(const Node& node, const ImportContext&) {
  const std::int64_t start = node.attributes.get("start", std::int64_t{0});
  const auto end = node.attributes.find<std::int64_t>("end");
  return make_kernel([start, end](const Inputs& in) {
    const Shape& dims = in[0].shape();
    const std::int64_t first = clamped_place(start, dims.rank());
    const std::int64_t last =
        std::max(first, clamped_place(end.value_or(dims.rank()), dims.rank()));
    const std::span<const std::int64_t> kept(dims.begin() + first, dims.begin() + last);
    return Tensor::from(kept, {last - first});
  });
}

KernelPtr size(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return Tensor::scalar(in[0].numel()); });
}

KernelPtr transpose(const Node& node, const ImportContext&) {
  const Ints permutation = node.attributes.ints("perm");
  return make_kernel([permutation](const Inputs& in) {
    Shape axes(permutation);
    for (int axis = in[0].rank(); permutation.empty() && axis-- > 0;) axes.push_back(axis);
    return in[0].permute(axes);
  });
}

/// A view of `x` broadcast to `shape`. One that no memory could hold is refused here: it costs
/// nothing, but what follows would walk all of it.
Tensor expanded(const Tensor& x, const Shape& shape) {
  constexpr std::int64_t kMostBytes = std::int64_t{1} << 40;
  const std::int64_t limit = memory_limit() > 0 ? memory_limit() : kMostBytes;
  for (const std::int64_t dim : shape) require(dim >= 0, "negative size in shape {}", shape);
  if (shape.numel() > limit / static_cast<std::int64_t>(size_of(x.dtype())))
    fail(ErrorCode::out_of_memory, "{} of {} does not fit in {} bytes", shape, x.dtype(), limit);
  return x.expand(shape);
}

KernelPtr expand(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    const Shape wanted(in.ints(1));
    return expanded(in[0], broadcast_shapes(in[0].shape(), wanted));
  });
}

KernelPtr constant_of_shape(const Node& node, const ImportContext&) {
  const Tensor value =
      node.attributes.find<Tensor>("value").value_or(Tensor::from({0.f}, {1})).reshape(Shape{});
  return make_kernel([value](const Inputs& in) { return expanded(value, Shape(in.ints(0))); });
}

KernelPtr concat(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{1});
  return make_kernel([axis](const Inputs& in) {
    return ops::concat(in.tensors(), checked_axis(axis, in[0].rank()));
  });
}

/// Sizes of parts as equal as can be, the last one smaller.
Ints equal_parts(std::int64_t size, std::int64_t count) {
  require(count > 0, "{} parts", count);
  const std::int64_t each = (size + count - 1) / count;
  Ints sizes;
  for (std::int64_t left = size; count-- > 0; left -= sizes.back())
    sizes.push_back(std::min(each, left));
  return sizes;
}

KernelPtr split(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{0});
  const Ints fixed = node.attributes.ints("split");
  const auto count = static_cast<std::int64_t>(node.outputs.size());
  return make_kernel([axis, fixed, count](const Inputs& in) {
    const int along = checked_axis(axis, in[0].rank());
    const Ints sizes = in.has(1)       ? in.ints(1)
                       : fixed.empty() ? equal_parts(in[0].shape()[along], count)
                                       : fixed;
    return ops::split(in[0], sizes, along);
  });
}

Tensor sliced(const Tensor& x, const Ints& starts, const Ints& ends, const Ints& given_axes,
              const Ints& steps) {
  Ints axes = given_axes;
  for (std::size_t i = 0; given_axes.empty() && i < starts.size(); ++i)
    axes.push_back(static_cast<std::int64_t>(i));
  require(ends.size() == starts.size() && axes.size() == starts.size() &&
              (steps.empty() || steps.size() == starts.size()),
          "{} starts, {} ends, {} axes and {} steps", starts.size(), ends.size(), axes.size(),
          steps.size());
  Tensor view = x;
  for (std::size_t i = 0; i < starts.size(); ++i)
    view = view.slice(checked_axis(axes[i], x.rank()), starts[i], ends[i],
                      steps.empty() ? 1 : steps[i]);
  return view;
}

KernelPtr slice_by_attributes(const Node& node, const ImportContext&) {
  const Ints starts = node.attributes.ints("starts"), ends = node.attributes.ints("ends");
  const Ints axes = node.attributes.ints("axes");
  return make_kernel(
      [starts, ends, axes](const Inputs& in) { return sliced(in[0], starts, ends, axes, {}); });
}

KernelPtr slice(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    return sliced(in[0], in.ints(1), in.ints(2), in.has(3) ? in.ints(3) : Ints(),
                  in.has(4) ? in.ints(4) : Ints());
  });
}

ops::PadMode pad_mode(const Node& node) {
  constexpr std::pair<std::string_view, ops::PadMode> kModes[] = {
      {"constant", ops::PadMode::constant},
      {"reflect", ops::PadMode::reflect},
      {"edge", ops::PadMode::edge},
      {"wrap", ops::PadMode::wrap},
  };
  const std::string name = node.attributes.get("mode", "constant");
  for (const auto& [known, mode] : kModes) {
    if (known == name) return mode;
  }
  fail(ErrorCode::corrupt_file, "mode \"{}\"; known are constant, reflect, edge and wrap", name);
}

/// `pads` has a begin for each of the axes (none given: all), then an end for each.
Tensor padded(const Tensor& x, const Ints& pads, const std::optional<Ints>& given_axes,
              const ops::PadOptions& options) {
  const std::size_t count = given_axes ? given_axes->size() : static_cast<std::size_t>(x.rank());
  require(pads.size() == 2 * count, "{} pads for {} axes", pads.size(), count);
  Ints before(static_cast<std::size_t>(x.rank())), after = before;
  for (std::size_t i = 0; i < count; ++i) {
    const auto axis =
        given_axes ? static_cast<std::size_t>(checked_axis((*given_axes)[i], x.rank())) : i;
    before[axis] = pads[i];
    after[axis] = pads[i + count];
  }
  return ops::pad(x, before, after, options);
}

KernelPtr pad_by_attributes(const Node& node, const ImportContext&) {
  const Ints pads = node.attributes.ints("pads");
  const float value = node.attributes.get("value", 0.f);
  return make_kernel([pads, value, mode = pad_mode(node)](const Inputs& in) {
    return padded(in[0], pads, {}, {mode, Tensor::full(Shape{}, value, in[0].dtype())});
  });
}

KernelPtr pad(const Node& node, const ImportContext&) {
  return make_kernel([mode = pad_mode(node)](const Inputs& in) {
    const std::optional<Ints> axes = in.has(3) ? std::optional(in.ints(3)) : std::nullopt;
    return padded(in[0], in.ints(1), axes, {mode, in.find(2)});
  });
}

KernelPtr center_crop_pad(const Node& node, const ImportContext&) {
  const Ints given = node.attributes.ints("axes");
  return make_kernel([given](const Inputs& in) {
    const Tensor& x = in[0];
    const Ints wanted = in.ints(1);
    std::vector<int> axes = checked_axes(given, x.rank());
    for (int axis = 0; given.empty() && axis < x.rank(); ++axis) axes.push_back(axis);
    require(wanted.size() == axes.size(), "{} sizes for {} axes", wanted.size(), axes.size());
    Ints before(static_cast<std::size_t>(x.rank())), after = before;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      require(wanted[i] >= 0, "size {} of axis {}", wanted[i], axes[i]);
      const std::int64_t added = wanted[i] - x.shape()[axes[i]];
      // Half of it, rounded down: the end has the rest of what is added or taken.
      const std::int64_t half = added / 2;
      before[static_cast<std::size_t>(axes[i])] = half;
      after[static_cast<std::size_t>(axes[i])] = added - half;
    }
    return ops::pad(x, before, after);
  });
}

KernelPtr tile(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return ops::tile(in[0], in.ints(1)); });
}

/// `in[1]` copies along axis `in[2]`, both in any dtype.
KernelPtr tile_axis(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    const auto number = [&](std::size_t index) {
      return in[index].reshape(Shape{}).cast(DType::i64).item<std::int64_t>();
    };
    Ints repeats(static_cast<std::size_t>(in[0].rank()), 1);
    repeats[static_cast<std::size_t>(checked_axis(number(2), in[0].rank()))] = number(1);
    return ops::tile(in[0], repeats);
  });
}

KernelPtr range(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return ops::arange(in[0], in[1], in[2]); });
}

KernelPtr eye_like(const Node& node, const ImportContext&) {
  const std::int64_t diagonal = node.attributes.get("k", std::int64_t{0});
  const auto code = node.attributes.find<std::int64_t>("dtype");
  return make_kernel([diagonal, code](const Inputs& in) {
    require(in[0].rank() == 2, "expected a matrix, got shape {}", in[0].shape());
    return ops::eye(in[0].dim(0), in[0].dim(1), diagonal,
                    code ? dtype_of_code(*code) : in[0].dtype());
  });
}

KernelPtr trilu(const Node& node, const ImportContext&) {
  const bool upper = node.attributes.get("upper", std::int64_t{1}) != 0;
  const ops::Triangle kept = upper ? ops::Triangle::upper : ops::Triangle::lower;
  return make_kernel([kept](const Inputs& in) {
    const std::int64_t diagonal = in.has(1) ? in[1].cast(DType::i64).item<std::int64_t>() : 0;
    return ops::triangle(in[0], kept, diagonal);
  });
}

KernelPtr depth_to_space(const Node& node, const ImportContext&) {
  const std::int64_t block = node.attributes.get<std::int64_t>("blocksize");
  const std::string mode = node.attributes.get("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    fail(ErrorCode::corrupt_file, "mode \"{}\"; known are DCR and CRD", mode);
  const ops::DepthOrder order = mode == "DCR" ? ops::DepthOrder::depth : ops::DepthOrder::block;
  return make_kernel(
      [block, order](const Inputs& in) { return ops::depth_to_space(in[0], block, order); });
}

KernelPtr space_to_depth(const Node& node, const ImportContext&) {
  const std::int64_t block = node.attributes.get<std::int64_t>("blocksize");
  return make_kernel([block](const Inputs& in) { return ops::space_to_depth(in[0], block); });
}

KernelPtr reverse_sequence(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("time_axis", std::int64_t{0});
  const std::int64_t batch_axis = node.attributes.get("batch_axis", std::int64_t{1});
  return make_kernel([axis, batch_axis](const Inputs& in) {
    return ops::reverse_sequence(in[0], in[1], checked_axis(axis, in[0].rank()),
                                 checked_axis(batch_axis, in[0].rank()));
  });
}

// clang-format off
constexpr Operator kShapeOperators[] = {
    {.op_type = "CenterCropPad", .since = 18, .inputs = {2, 2}, .import = center_crop_pad,
     .mapping = {.shapes = kConstants}},
    {.op_type = "Concat", .inputs = {1, kAnyNumber}, .import = concat,
     .mapping = {.shapes = kSame, .dims = concat_dims, .rows = follow_concat,
                 .sizes = concat_sizes}, .bf16 = {.inputs = kAnyNumber}, .finite = Finite::of_all,
     .carries_sizes = true},
    {.op_type = "ConstantOfShape", .since = 9, .inputs = {1, 1}, .import = constant_of_shape,
     .mapping = {.dims = constant_of_shape_dims, .rows = follow_constant_of_shape,
                 .sizes = follow_constant_of_shape}},
    {.op_type = "DepthToSpace", .inputs = {1, 1}, .import = depth_to_space,
     .mapping = {.shapes = kSame, .rows = follow_each_image}, .finite = Finite::of_first,
     .moves = Moves::all},
    {.op_type = "Expand", .since = 8, .inputs = {2, 2}, .import = expand,
     .mapping = {.shapes = kConstants, .dims = expand_dims, .rows = follow_expand,
                 .sizes = follow_expand}, .finite = Finite::of_first},
    {.op_type = "EyeLike", .since = 9, .inputs = {1, 1}, .import = eye_like,
     .mapping = {.shapes = kSame}},
    {.op_type = "Flatten", .inputs = {1, 1}, .import = flatten,
     .mapping = {.shapes = kSame, .dims = flatten_dims, .rows = follow_flatten},
     .bf16 = {.inputs = 1}, .finite = Finite::of_first, .moves = Moves::all,
     .gradient = gradients::reshape},
    {.op_type = "Identity", .inputs = {1, 1}, .import = identity,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_like_first,
                 .sizes = same_sizes}, .finite = Finite::of_first, .carries_sizes = true,
     .gradient = gradients::identity},
    {.op_type = "Pad", .since = 2, .inputs = {1, 1}, .import = pad_by_attributes,
     .mapping = {.shapes = kSame, .rows = follow_pad}, .finite = Finite::of_all},
    {.op_type = "Pad", .since = 11, .inputs = {2, 3}, .import = pad,
     .mapping = {.shapes = kConstants, .rows = follow_pad}, .finite = Finite::of_all},
    {.op_type = "Pad", .since = 18, .inputs = {2, 4}, .import = pad,
     .mapping = {.shapes = kConstants, .rows = follow_pad}, .finite = Finite::of_all},
    {.op_type = "Range", .since = 11, .inputs = {3, 3}, .import = range},
    {.op_type = "Reshape", .inputs = {1, 1}, .import = reshape,
     .mapping = {.shapes = kConstants, .dims = reshape_dims, .rows = follow_reshape,
                 .sizes = follow_reshape}, .bf16 = {.inputs = 1}, .finite = Finite::of_first,
     .moves = Moves::all, .carries_sizes = true, .gradient = gradients::reshape},
    {.op_type = "Reshape", .since = 5, .inputs = {2, 2}, .import = reshape,
     .mapping = {.shapes = kConstants, .dims = reshape_dims, .rows = follow_reshape,
                 .sizes = follow_reshape}, .bf16 = {.inputs = 1}, .finite = Finite::of_first,
     .moves = Moves::all, .carries_sizes = true, .gradient = gradients::reshape},
    {.op_type = "ReverseSequence", .since = 10, .inputs = {2, 2}, .import = reverse_sequence,
     .mapping = {.shapes = kSame}},
    {.op_type = "Shape", .inputs = {1, 1}, .import = shape,
     .mapping = {.shapes = kSame, .rows = follow_shape}, .purity = Purity::shape_only},
    {.op_type = "Size", .inputs = {1, 1}, .import = size,
     .mapping = {.shapes = kSame, .dims = no_dims}, .purity = Purity::shape_only},
    {.op_type = "Slice", .inputs = {1, 1}, .import = slice_by_attributes,
     .mapping = {.shapes = kSame, .dims = slice_dims, .rows = follow_slice, .sizes = slice_sizes},
     .bf16 = {.inputs = 1}, .finite = Finite::of_first, .moves = Moves::some,
     .carries_sizes = true},
    {.op_type = "Slice", .since = 10, .inputs = {3, 5}, .import = slice,
     .mapping = {.shapes = kConstants, .dims = slice_dims, .rows = follow_slice,
                 .sizes = slice_sizes}, .bf16 = {.inputs = 1}, .finite = Finite::of_first,
     .moves = Moves::some, .carries_sizes = true},
    {.op_type = "SpaceToDepth", .inputs = {1, 1}, .import = space_to_depth,
     .mapping = {.shapes = kSame, .rows = follow_each_image}, .finite = Finite::of_first,
     .moves = Moves::all},
    {.op_type = "Split", .inputs = {1, 2}, .import = split,
     .mapping = {.shapes = kConstants, .dims = split_dims, .rows = follow_along_first_axis},
     .finite = Finite::of_first, .moves = Moves::some},
    {.op_type = "Split", .since = 2, .inputs = {1, 1}, .import = split,
     .mapping = {.shapes = kConstants, .dims = split_dims, .rows = follow_along_first_axis},
     .finite = Finite::of_first, .moves = Moves::some},
    {.op_type = "Split", .since = 13, .inputs = {1, 2}, .import = split,
     .mapping = {.shapes = kConstants, .dims = split_dims, .rows = follow_along_first_axis},
     .finite = Finite::of_first, .moves = Moves::some},
    {.op_type = "Squeeze", .inputs = {1, 1}, .import = squeeze,
     .mapping = {.shapes = kConstants, .dims = squeeze_dims, .rows = follow_squeeze,
                 .sizes = same_sizes}, .bf16 = {.inputs = 1}, .finite = Finite::of_first,
     .moves = Moves::all, .carries_sizes = true, .gradient = gradients::reshape},
    {.op_type = "Squeeze", .since = 13, .inputs = {1, 2}, .import = squeeze,
     .mapping = {.shapes = kConstants, .dims = squeeze_dims, .rows = follow_squeeze,
                 .sizes = same_sizes}, .bf16 = {.inputs = 1}, .finite = Finite::of_first,
     .moves = Moves::all, .carries_sizes = true, .gradient = gradients::reshape},
    {.op_type = "Tile", .since = 6, .inputs = {2, 2}, .import = tile,
     .mapping = {.shapes = kConstants, .rows = follow_tile}, .finite = Finite::of_first},
    {.op_type = "Transpose", .inputs = {1, 1}, .import = transpose,
     .mapping = {.shapes = kSame, .dims = transpose_dims, .rows = follow_transpose},
     .bf16 = {.inputs = 1}, .finite = Finite::of_first, .moves = Moves::all,
     .gradient = gradients::transpose},
    {.op_type = "Trilu", .since = 14, .inputs = {1, 2}, .import = trilu,
     .mapping = {.shapes = kSame, .rows = follow_trilu}},
    {.op_type = "Unsqueeze", .inputs = {1, 1}, .import = unsqueeze,
     .mapping = {.shapes = kConstants, .dims = unsqueeze_dims, .rows = follow_unsqueeze,
                 .sizes = same_sizes}, .bf16 = {.inputs = 1}, .finite = Finite::of_first,
     .moves = Moves::all, .carries_sizes = true, .gradient = gradients::reshape},
    {.op_type = "Unsqueeze", .since = 13, .inputs = {2, 2}, .import = unsqueeze,
     .mapping = {.shapes = kConstants, .dims = unsqueeze_dims, .rows = follow_unsqueeze,
                 .sizes = same_sizes}, .bf16 = {.inputs = 1}, .finite = Finite::of_first,
     .moves = Moves::all, .carries_sizes = true, .gradient = gradients::reshape},
    {.op_type = "TileAxis", .domain = kQuern, .import = tile_axis,
     .mapping = {.shapes = kConstants}},
};
// clang-format on

}  // namespace

OperatorTable shape_operators() { return kShapeOperators; }

}  // namespace quern::onnx
