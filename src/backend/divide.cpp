#include "backend/divide.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <span>

namespace quern::backend {
namespace {

using Range = std::pair<std::int64_t, std::int64_t>;

constexpr std::int64_t kColumns = 64;  // of weights, which kernels keep together

/// [0, count) in `parts` ranges or fewer that begin at multiples of `step`.
std::vector<Range> split(std::int64_t count, std::int64_t parts, std::int64_t step = 1) {
  const std::int64_t steps = (count + step - 1) / step;
  parts = std::min(parts, steps);
  std::vector<Range> ranges;
  for (std::int64_t i = 0; i < parts; ++i)
    ranges.emplace_back(steps * i / parts * step, std::min(count, steps * (i + 1) / parts * step));
  return ranges;
}

/// The share of the threads' time that `split` leaves no thread idle.
double balance(std::int64_t count, std::int64_t parts, std::int64_t step) {
  const std::int64_t steps = (count + step - 1) / step;
  const std::int64_t rounds = (steps + parts - 1) / parts;
  return static_cast<double>(steps) / static_cast<double>(rounds * parts);
}

std::size_t index_of(Slot slot) { return static_cast<std::size_t>(slot); }

/// Lets no stride of an axis of one element, which moves nothing, look like a gap.
void close_gaps(TensorDesc& tensor) {
  std::int64_t extent = 1;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis)
    extent =
        std::max(extent, tensor.shape[axis] > 1 ? tensor.shape[axis] * tensor.strides[axis] : 1);
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) {
    if (tensor.shape[axis] == 1) tensor.strides[axis] = std::min(tensor.strides[axis], extent);
  }
}

/// Leaves of an axis what is in the range; an axis of size 1 stands for all of it.
void narrow(TensorDesc& tensor, std::int64_t& offset, int axis, Range range) {
  if (tensor.shape[axis] == 1) return;
  offset += range.first * tensor.strides[axis] * static_cast<std::int64_t>(size_of(tensor.dtype));
  tensor.shape[axis] = range.second - range.first;
  close_gaps(tensor);
}

template <class Desc>
void narrow(Slice<Desc>& slice, Slot slot, TensorDesc& tensor, int axis, Range range) {
  narrow(tensor, slice.offsets[index_of(slot)], axis, range);
}

template <class Desc>
void narrow_operands(Slice<Desc>& slice, int axis, Range range) {
  std::size_t slot = index_of(Slot::post_op0);
  for (PostOp& step : slice.desc.post_ops) {
    if (step.kind == PostOp::Kind::binary) narrow(step.operand, slice.offsets[slot++], axis, range);
  }
}

/// Adjacent elements of an axis share cache lines and vectors.
std::int64_t step_of(const TensorDesc& dst, int axis) {
  constexpr std::int64_t kElements = 64;
  return dst.strides[axis] == 1 && dst.shape[axis] > kElements ? kElements : 1;
}

/// The outermost of the axes that `parts` threads share well, or else the one they share best.
template <class Allows>
std::optional<int> axis_to_share(const TensorDesc& dst, int parts, const Allows& allows) {
  constexpr double kWell = 0.9;
  std::optional<int> best;
  double best_balance = 0;
  for (int axis = 0; axis < dst.shape.rank(); ++axis) {
    if (dst.shape[axis] < 2 || !allows(axis)) continue;
    const double found = balance(dst.shape[axis], parts, step_of(dst, axis));
    if (found > best_balance) best = axis, best_balance = found;
    if (found >= kWell) break;
  }
  return best;
}

/// Slices of an operation whose arguments are src and dst of one rank; `narrow_rest` narrows what
/// else there is.
template <class Desc, class Allows, class NarrowRest>
std::vector<Slice<Desc>> divide_along(const Desc& desc, int parts, const Allows& allows,
                                      const NarrowRest& narrow_rest) {
  const auto axis = axis_to_share(desc.dst, parts, allows);
  if (parts < 2 || !axis || desc.src.shape.rank() != desc.dst.shape.rank()) return {{desc}};
  std::vector<Slice<Desc>> slices;
  for (const Range& range : split(desc.dst.shape[*axis], parts, step_of(desc.dst, *axis))) {
    Slice<Desc>& slice = slices.emplace_back(Slice<Desc>{desc});
    narrow(slice, Slot::src, slice.desc.src, *axis, range);
    narrow(slice, Slot::dst, slice.desc.dst, *axis, range);
    narrow_rest(slice, *axis, range);
  }
  return slices;
}

template <class Desc, class Allows>
std::vector<Slice<Desc>> divide_along(const Desc& desc, int parts, const Allows& allows) {
  return divide_along(desc, parts, allows, [](Slice<Desc>&, int, Range) {});
}

constexpr auto any_axis = [](int) { return true; };

bool is_dense(const TensorDesc& tensor) {
  return tensor.strides == row_major_strides(tensor.shape);
}

/// The first `count` axes of a row-major tensor as one.
TensorDesc merged(const TensorDesc& tensor, int count) {
  if (count < 2) return tensor;
  Shape shape{1};
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) {
    if (axis < count) {
      shape[0] *= tensor.shape[axis];
    } else {
      shape.push_back(tensor.shape[axis]);
    }
  }
  return dense_desc(tensor.dtype, shape);
}

/// The operation on tensors whose first `count` axes, which are alike, are one; itself where they
/// have gaps.
template <class Desc>
Desc merged(const Desc& desc, int count) {
  if (!is_dense(desc.src) || !is_dense(desc.dst)) return desc;
  Desc result = desc;
  result.src = merged(desc.src, count);
  result.dst = merged(desc.dst, count);
  return result;
}

/// The rows of a window's first axis that make the rows `range` of its result, and the pads of that
/// part.
struct Reach {
  Range rows;
  std::int64_t pad_begin;
  std::int64_t pad_end;
};

Reach window_reach_of(const Window& window, int axis, std::int64_t kernel, std::int64_t size,
                      Range range) {
  const std::int64_t begin = range.first * window.strides[axis] - window.pads_begin[axis];
  const std::int64_t next = range.second * window.strides[axis] - window.pads_begin[axis];
  const std::int64_t end = next - window.strides[axis] + window.dilations[axis] * (kernel - 1) + 1;
  // Some kernels want sources of whole strides.
  const std::int64_t seen = std::max(end, std::min(next, size));
  return {{std::clamp<std::int64_t>(begin, 0, size), std::clamp<std::int64_t>(seen, 0, size)},
          std::max<std::int64_t>(-begin, 0),
          std::max<std::int64_t>(end - size, 0)};
}

/// The same of a transposed convolution.
Reach transposed_reach_of(const Window& window, int axis, std::int64_t kernel, std::int64_t size,
                          Range range) {
  const std::int64_t stride = window.strides[axis];
  const std::int64_t spread = window.dilations[axis] * (kernel - 1);
  const std::int64_t first = range.first + window.pads_begin[axis];
  const std::int64_t last = range.second - 1 + window.pads_begin[axis];
  const std::int64_t reached = std::max<std::int64_t>(first - spread + stride - 1, 0) / stride;
  const std::int64_t begin = std::min({reached, first / stride, size - 1});
  const std::int64_t end = std::min(last / stride + 1, size);
  const std::int64_t pad = first - begin * stride;
  return {{begin, end},
          pad,
          (end - begin - 1) * stride - pad + spread + 1 - (range.second - range.first)};
}

Reach reach_of(const PoolDesc& desc, int axis, Range range) {
  return window_reach_of(desc.window, axis, desc.kernel[axis], desc.src.shape[axis + 2], range);
}
Reach reach_of(const ConvDesc& desc, int axis, Range range) {
  const auto find = desc.transposed ? transposed_reach_of : window_reach_of;
  return find(desc.window, axis, desc.weights.shape[axis + 2], desc.src.shape[axis + 2], range);
}

/// The one of the images whose axes further out have one element.
int first_long_axis(const Shape& shape) {
  int axis = 2;
  while (axis + 1 < shape.rank() && shape[axis] == 1) ++axis;
  return axis;
}

/// Leaves some images of a batch.
template <class Desc>
Slice<Desc> images_of(const Desc& desc, Range images) {
  Slice<Desc> slice{desc};
  narrow(slice, Slot::src, slice.desc.src, 0, images);
  narrow(slice, Slot::dst, slice.desc.dst, 0, images);
  return slice;
}

/// Leaves some rows of the result of one image. Nothing where they see none of the source.
template <class Desc>
bool leave_rows(Slice<Desc>& slice, int axis, Range range) {
  Desc& desc = slice.desc;
  const Reach reach = reach_of(desc, axis - 2, range);
  if (reach.rows.first >= reach.rows.second) return false;
  if (desc.src.shape[axis] > 1) narrow(slice, Slot::src, desc.src, axis, reach.rows);
  narrow(slice, Slot::dst, desc.dst, axis, range);
  desc.window.pads_begin[axis - 2] = reach.pad_begin;
  desc.window.pads_end[axis - 2] = reach.pad_end;
  return true;
}

/// How many slices each image of a batch is cut into, so that `parts` threads share all.
std::int64_t cuts_of_an_image(std::int64_t batch, int parts) {
  if (batch >= 4 * parts) return 1;
  return parts / std::gcd(batch, std::int64_t{parts});
}

bool is_pointwise(const ConvDesc& desc) {
  const auto is = [](std::int64_t wanted) {
    return [wanted](std::int64_t value) { return value == wanted; };
  };
  const Shape& weights = desc.weights.shape;
  return std::all_of(weights.begin() + 2, weights.end(), is(1)) &&
         std::ranges::all_of(desc.window.strides, is(1)) &&
         std::ranges::all_of(desc.window.pads_begin, is(0)) &&
         std::ranges::all_of(desc.window.pads_end, is(0));
}

bool is_channels_last(const TensorDesc& tensor) {
  return tensor.strides == channels_last_desc(tensor.dtype, tensor.shape).strides;
}

/// A convolution of places that see only themselves has one long axis, which is shared evenly.
/// Nothing where an operand tells the axes apart.
std::optional<ConvDesc> flattened(const ConvDesc& desc) {
  if (desc.transposed || desc.winograd || !is_pointwise(desc) || !is_channels_last(desc.src) ||
      !is_channels_last(desc.dst))
    return std::nullopt;
  const auto flatten = [](TensorDesc& tensor) {
    Shape flat = tensor.shape;
    for (int axis = 3; axis < flat.rank(); ++axis) flat[2] *= std::exchange(flat[axis], 1);
    tensor = channels_last_desc(tensor.dtype, flat);
  };
  ConvDesc flat = desc;
  for (PostOp& step : flat.post_ops) {
    if (step.kind != PostOp::Kind::binary) continue;
    const Shape& shape = step.operand.shape;
    const bool is_one = std::all_of(shape.begin() + 2, shape.end(), [](auto s) { return s == 1; });
    if (is_one) continue;
    if (shape != desc.dst.shape || !is_channels_last(step.operand)) return std::nullopt;
    flatten(step.operand);
  }
  flatten(flat.src);
  flatten(flat.dst);
  return flat;
}

/// Images, or rows of them in multiples of `row_step`, if that is not 0.
template <class Desc, class NarrowRest>
std::vector<Slice<Desc>> divide_windows(const Desc& desc, int parts, std::int64_t row_step,
                                        const NarrowRest& narrow_rest) {
  const std::int64_t batch = desc.dst.shape[0];
  const int axis = first_long_axis(desc.dst.shape);
  const bool one_image = batch == 1 && desc.src.shape[axis] == 1;
  const std::int64_t cuts = row_step > 0 && !one_image ? cuts_of_an_image(batch, parts) : 1;
  std::vector<Slice<Desc>> slices;
  if (cuts == 1) {
    for (const Range& images : split(batch, parts)) {
      slices.push_back(images_of(desc, images));
      narrow_rest(slices.back(), 0, images);
    }
    return slices;
  }
  for (std::int64_t image = 0; image < batch; ++image) {
    for (const Range& rows : split(desc.dst.shape[axis], cuts, row_step)) {
      Slice<Desc> slice = images_of(desc, {image, image + 1});
      narrow_rest(slice, 0, {image, image + 1});
      if (!leave_rows(slice, axis, rows)) return {{desc}};
      narrow_rest(slice, axis, rows);
      slices.push_back(std::move(slice));
    }
  }
  return slices;
}

/// Which axis of a product to share. Threads that have rows each read the whole of the weights,
/// which come from memory and take longest where there are few rows.
int axis_of_product(const MatMulDesc& desc, int parts, Way way) {
  const int rank = desc.dst.shape.rank();
  constexpr double kWell = 0.9;
  constexpr std::int64_t kFewRows = 32;
  constexpr std::int64_t kManyRows = 256;
  for (int axis = 0; axis < rank - 2; ++axis) {
    if (balance(desc.dst.shape[axis], parts, 1) >= kWell) return axis;
  }
  const std::int64_t rows = desc.dst.shape.dim(-2);
  const double by_rows = balance(rows, parts, 1);
  const double by_columns = balance(desc.dst.shape.dim(-1), parts, kColumns);
  const double worth = rows < kFewRows ? 0.5 : rows < kManyRows ? kWell : 1.1;
  const bool in_columns = by_columns >= worth * by_rows;
  return in_columns == (way == Way::best) ? rank - 1 : rank - 2;
}

void divide_along(const MatMulDesc& desc, int axis, int parts,
                  std::vector<Slice<MatMulDesc>>& slices, const Slice<MatMulDesc>& from) {
  const int rank = desc.dst.shape.rank();
  const bool in_columns = axis == rank - 1;
  for (const Range& range : split(desc.dst.shape[axis], parts, in_columns ? kColumns : 1)) {
    Slice<MatMulDesc>& slice = slices.emplace_back(from);
    if (in_columns) slice.channels = {axis, range.first, range.second};
    if (!in_columns) narrow(slice, Slot::src, slice.desc.src, axis, range);
    if (axis != rank - 2) narrow(slice, Slot::weights, slice.desc.weights, axis, range);
    for (TensorDesc& bias : slice.desc.bias) narrow(slice, Slot::bias, bias, axis, range);
    narrow(slice, Slot::dst, slice.desc.dst, axis, range);
    narrow_operands(slice, axis, range);
  }
}

template <class Desc>
std::optional<Desc> without_gaps_in(const Desc& slice,
                                    TensorDesc (*describe)(DType, const Shape&)) {
  Desc dense = slice;
  const Shape& shape = slice.dst.shape;
  dense.dst = describe(slice.dst.dtype, shape);
  for (PostOp& step : dense.post_ops) {
    if (step.kind == PostOp::Kind::sum) return std::nullopt;
    if (step.kind == PostOp::Kind::binary && step.operand.shape == shape)
      step.operand = describe(step.operand.dtype, shape);
  }
  return dense == slice ? std::nullopt : std::optional(dense);
}

/// Channels of the result of a convolution.
std::vector<Slice<ConvDesc>> divide_channels(const ConvDesc& desc, int parts) {
  std::vector<Slice<ConvDesc>> slices;
  for (const Range& range : split(desc.dst.shape[1], parts, kColumns)) {
    Slice<ConvDesc>& slice = slices.emplace_back(Slice<ConvDesc>{desc});
    slice.channels = {0, range.first, range.second};
    slice.desc.weights.shape[0] = range.second - range.first;
    for (TensorDesc& bias : slice.desc.bias) narrow(slice, Slot::bias, bias, 0, range);
    narrow(slice, Slot::dst, slice.desc.dst, 1, range);
    narrow_operands(slice, 1, range);
    if (!desc.scales.empty())
      slice.desc.scales.assign(desc.scales.begin() + range.first,
                               desc.scales.begin() + range.second);
  }
  return slices;
}

/// Whether few rows leave threads idle, or let each read large weights for little, and channels do
/// not.
bool is_better_by_channels(const ConvDesc& desc, int parts) {
  constexpr double kWell = 0.9;
  constexpr std::int64_t kFewPlaces = 128;
  const int axis = first_long_axis(desc.dst.shape);
  const std::int64_t batch = desc.dst.shape[0];
  const std::int64_t cuts = cuts_of_an_image(batch, parts);
  const double by_rows =
      cuts == 1 ? balance(batch, parts, 1) : balance(desc.dst.shape[axis], cuts, 1);
  const std::int64_t places = desc.dst.shape.numel() / desc.dst.shape[1];
  const double by_channels = balance(desc.dst.shape[1], parts, kColumns);
  return desc.groups == 1 && !desc.transposed && !desc.winograd &&
         (places < kFewPlaces ? by_channels >= kWell : by_rows < kWell && by_channels > by_rows);
}

}  // namespace

std::optional<MatMulDesc> without_gaps(const MatMulDesc& slice) {
  return without_gaps_in(slice, dense_desc);
}
std::optional<ConvDesc> without_gaps(const ConvDesc& slice) {
  return without_gaps_in(slice, channels_last_desc);
}

std::vector<Slice<MatMulDesc>> divide(const MatMulDesc& desc, int parts, Way way) {
  if (parts < 2) return {{desc}};
  const int axis = axis_of_product(desc, parts, way);
  const int rank = desc.dst.shape.rank();
  std::vector<Slice<MatMulDesc>> slices;
  if (axis < rank - 2 || rank == 2) {
    divide_along(desc, axis, parts, slices, {desc});
    return slices;
  }
  // Matrices of a batch, one after another, without the gaps that parts of them would leave.
  std::vector<Slice<MatMulDesc>> matrices{{desc}};
  for (int outer = 0; outer < rank - 2; ++outer) {
    std::vector<Slice<MatMulDesc>> narrowed;
    for (const Slice<MatMulDesc>& matrix : matrices)
      divide_along(matrix.desc, outer, static_cast<int>(desc.dst.shape[outer]), narrowed, matrix);
    matrices = std::move(narrowed);
  }
  const auto count = static_cast<std::int64_t>(matrices.size());
  for (const Slice<MatMulDesc>& matrix : matrices)
    divide_along(matrix.desc, axis, static_cast<int>(cuts_of_an_image(count, parts)), slices,
                 matrix);
  return slices;
}

std::vector<Slice<ConvDesc>> divide(const ConvDesc& given, int parts, Way way) {
  if (parts < 2) return {{given}};
  const auto flat = flattened(given);
  const ConvDesc& desc = flat ? *flat : given;
  const bool by_channels =
      desc.winograd ? way == Way::other : way == Way::best && is_better_by_channels(desc, parts);
  if (by_channels) return divide_channels(desc, parts);
  constexpr int kWinogradTile = 4;
  const bool in_rows = is_channels_last(desc.src) && is_channels_last(desc.dst);
  const int row_step = !in_rows ? 0 : desc.winograd ? kWinogradTile : 1;
  auto slices = divide_windows(
      desc, parts, row_step,
      [](Slice<ConvDesc>& slice, int axis, Range range) { narrow_operands(slice, axis, range); });
  if (slices.size() == 1) return {{given}};
  return slices;
}

std::vector<Slice<PoolDesc>> divide(const PoolDesc& desc, int parts) {
  if (parts < 2) return {{desc}};
  if (is_channels_last(desc.src) && is_channels_last(desc.dst)) {
    return divide_windows(desc, parts, 1, [](Slice<PoolDesc>&, int, Range) {});
  }
  PoolDesc planes = merged(desc, 2);
  if (planes.src.shape.rank() < desc.src.shape.rank()) {
    const auto add_batch = [](TensorDesc& tensor) {
      Shape shape{1};
      for (const std::int64_t size : tensor.shape) shape.push_back(size);
      tensor = dense_desc(tensor.dtype, shape);
    };
    add_batch(planes.src);
    add_batch(planes.dst);
  }
  return divide_along(planes, parts, [](int axis) { return axis < 2; });
}

std::vector<Slice<SoftmaxDesc>> divide(const SoftmaxDesc& desc, int parts) {
  const int along = desc.axis < 0 ? desc.axis + desc.src.shape.rank() : desc.axis;
  SoftmaxDesc rows = merged(desc, along);
  rows.axis = along - (desc.src.shape.rank() - rows.src.shape.rank());
  return divide_along(rows, parts, [&](int axis) { return axis != rows.axis; });
}

// oneDNN's kernels take rows to follow one another, whatever the strides say.
std::vector<Slice<LayerNormDesc>> divide(const LayerNormDesc& desc, int parts) {
  if (desc.src.shape.rank() < 2 || !is_dense(desc.src) || !is_dense(desc.dst)) return {{desc}};
  return divide_along(merged(desc, desc.src.shape.rank() - 1), parts,
                      [](int axis) { return axis == 0; });
}

std::vector<Slice<EltwiseDesc>> divide(const EltwiseDesc& desc, int parts) {
  return divide_along(merged(desc, desc.src.shape.rank()), parts, any_axis);
}

std::vector<Slice<BinaryDesc>> divide(const BinaryDesc& desc, int parts) {
  BinaryDesc flat = desc;
  if (desc.post_ops.empty() && desc.src1.shape == desc.src.shape && is_dense(desc.src1)) {
    flat = merged(desc, desc.src.shape.rank());
    flat.src1 = TensorDesc{desc.src1.dtype, flat.src.shape, flat.src.strides};
    if (flat.src.shape == desc.src.shape) flat.src1 = desc.src1;
  }
  return divide_along(flat, parts, any_axis, [](auto& slice, int axis, Range range) {
    narrow(slice, Slot::src1, slice.desc.src1, axis, range);
    narrow_operands(slice, axis, range);
  });
}

std::vector<Slice<ReductionDesc>> divide(const ReductionDesc& desc, int parts) {
  int kept = 0;
  while (kept < desc.dst.shape.rank() && desc.dst.shape[kept] == desc.src.shape[kept]) ++kept;
  const ReductionDesc rows = merged(desc, kept);
  return divide_along(rows, parts,
                      [&](int axis) { return rows.dst.shape[axis] == rows.src.shape[axis]; });
}

// An axis along which neither side jumps.
std::vector<Slice<ReorderDesc>> divide(const ReorderDesc& desc, int parts) {
  int best = -1;
  std::int64_t longest = 0;
  for (int axis = 0; axis < desc.dst.shape.rank(); ++axis) {
    const std::int64_t stride = std::min(desc.src.strides[axis], desc.dst.strides[axis]);
    if (desc.dst.shape[axis] < 2 * parts || stride < longest) continue;
    best = axis;
    longest = stride;
  }
  return divide_along(desc, parts, [&](int axis) { return best < 0 || axis == best; });
}

}  // namespace quern::backend
