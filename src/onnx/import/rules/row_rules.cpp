#include "onnx/import/rules/row_rules.h"

#include <algorithm>

namespace quern::onnx {
namespace {

using Ints = std::vector<std::int64_t>;

/// Whether a value that does not depend on rows is the same for all of them: it has no places
/// along the axis that is `from_end` from the last.
bool broadcasts_over_rows(const RowRule& rule, std::size_t index, int from_end) {
  const auto dims = rule.states.dims(rule.node.input(index));
  if (!dims) return false;
  const int rank = static_cast<int>(dims->size());
  return rank < from_end || (*dims)[static_cast<std::size_t>(rank - from_end)] == 1;
}

/// Inputs [first, last) broadcast together; the axis of rows counts from the last one.
std::optional<RowState> broadcast_rows(const RowRule& rule, std::size_t first, std::size_t last) {
  int from_end = -1;
  int rank = 0;
  bool is_exact = true;
  for (std::size_t i = first; i < last; ++i) {
    if (!rule.node.has_input(i)) continue;
    const int own = rule.rank(i);
    if (own < 0) return {};
    rank = std::max(rank, own);
    if (!rule.has_rows(i)) continue;
    const int place = own - rule.in(i).axis;
    if (from_end >= 0 && (place != from_end || is_exact != rule.in(i).is_exact)) return {};
    from_end = place;
    is_exact = rule.in(i).is_exact;
  }
  for (std::size_t i = first; i < last; ++i) {
    if (!rule.node.has_input(i) || rule.has_rows(i)) continue;
    if (!rule.in(i).is_fixed() || !broadcasts_over_rows(rule, i, from_end)) return {};
  }
  if (from_end < 0) return {};
  return RowState::along(rank - from_end, is_exact);
}

/// Every place along the axis `axis` (`fallback` where it is not given) is used for each other.
bool along_axis_from(const RowRule& rule, std::int64_t fallback) {
  const int axis = rule.resolved(rule.attribute("axis", fallback));
  return axis >= 0 && axis != rule.axis() && follow_like_first(rule);
}

/// All axes from `axis` on are.
bool from_axis_on(const RowRule& rule, std::int64_t fallback) {
  const int axis = rule.resolved(rule.attribute("axis", fallback));
  return axis >= 0 && rule.axis() < axis && follow_like_first(rule);
}

/// Rows where `axes` go away, or stay with size 1.
bool reduced(const RowRule& rule, const Ints& axes) {
  if (!rule.has_rows(0) || !rule.all_fixed_from(1)) return false;
  int before = 0;
  for (const std::int64_t given : axes) {
    const int axis = rule.resolved(given);
    if (axis < 0 || axis == rule.axis()) return false;
    before += axis < rule.axis() ? 1 : 0;
  }
  const bool keeps = rule.attribute("keepdims", 1) != 0;
  return rule.gives_rows(rule.axis() - (keeps ? 0 : before), rule.in(0).is_exact);
}

/// The elements of a vector that a shape is given by.
std::optional<std::vector<RowSize>> sizes_of(const RowRule& rule, std::size_t index) {
  if (!rule.node.has_input(index)) return {};
  const RowState& state = rule.in(index);
  if (!state.sizes.empty()) return state.sizes;
  if (!state.is_fixed()) return {};
  std::vector<RowSize> sizes;
  if (const auto ints = rule.states.ints(rule.node.input(index))) {
    for (const std::int64_t number : *ints) sizes.push_back({false, number});
    return sizes;
  }
  const auto dims = rule.states.dims(rule.node.input(index));
  constexpr std::int64_t kMost = 64;
  if (!dims || dims->size() > 1) return {};
  const std::int64_t length = dims->empty() ? 1 : dims->front();
  if (length < 0 || length > kMost) return {};
  // Not known, and not -1 or 0 of the rules below either.
  constexpr std::int64_t kSome = -2;
  return std::vector<RowSize>(static_cast<std::size_t>(length), RowSize{false, kSome});
}

/// Numbers without the count of rows are like any other value.
bool gives_sizes(const RowRule& rule, std::vector<RowSize> sizes) {
  const bool has_count = std::ranges::any_of(sizes, &RowSize::is_count);
  RowState state;
  if (has_count) state.sizes = std::move(sizes);
  return rule.gives(state);
}

/// Where the count of rows stands alone among sizes; -1 where it does not.
int place_of_count(const std::vector<RowSize>& sizes) {
  if (std::ranges::count_if(sizes, &RowSize::is_count) != 1) return -1;
  return static_cast<int>(std::ranges::find_if(sizes, &RowSize::is_count) - sizes.begin());
}

std::int64_t product(std::span<const std::int64_t> numbers) {
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  std::int64_t result = 1;
  for (const std::int64_t number : numbers) {
    if (number <= 0 || number > kMost || result > kMost) return -1;
    result *= number;
  }
  return result;
}

}  // namespace

/// The result is as input 0; the others do not depend on rows.
bool follow_like_first(const RowRule& rule) {
  return rule.has_rows(0) && rule.all_fixed_from(1) && rule.gives(rule.in(0));
}

bool follow_broadcasting(const RowRule& rule) {
  const auto state = broadcast_rows(rule, 0, rule.count());
  return state && rule.gives(*state);
}

// ---- Products and windows ----

bool follow_matmul(const RowRule& rule) {
  if (!rule.all_fixed_from(2)) return false;
  const int a = rule.rank(0);
  const int b = rule.rank(1);
  if (a < 2 || b < 2) return false;
  // What is summed over, and columns of the second, must not be rows.
  if (rule.has_rows(0) && rule.axis() == a - 1) return false;
  if (rule.has_rows(1) && rule.in(1).axis >= b - 2) return false;
  if (rule.has_rows(0) && rule.axis() == a - 2) {
    return rule.in(1).is_fixed() && rule.gives_rows(std::max(a, b) - 2, rule.in(0).is_exact);
  }
  const auto state = broadcast_rows(rule, 0, 2);
  return state && rule.gives(*state);
}

bool follow_gemm(const RowRule& rule) {
  const int rows = rule.attribute("transA", 0) != 0 ? 1 : 0;
  if (!rule.has_rows(0) || rule.axis() != rows || !rule.all_fixed_from(1)) return false;
  if (rule.node.has_input(2) && !broadcasts_over_rows(rule, 2, 2)) return false;
  return rule.gives_rows(0, rule.in(0).is_exact);
}

/// [rows, ...], each computed alone.
bool follow_each_image(const RowRule& rule) {
  return rule.axis() == 0 && rule.rank(0) >= 2 && rule.all_fixed_from(1) && rule.gives(rule.in(0));
}

/// Indices of the second result count over all rows.
bool follow_max_pool(const RowRule& rule) {
  return !rule.node.has_output(1) && follow_each_image(rule);
}

bool follow_batch_norm(const RowRule& rule) {
  const bool is_training = rule.attribute("training_mode", 0) != 0 ||
                           rule.node.outputs.size() > 1 ||
                           (rule.node.opset < 7 && rule.attribute("is_test", 0) == 0);
  return !is_training && follow_each_image(rule);
}

/// Mode and ratio may come from inputs; in training it draws random numbers.
bool follow_dropout(const RowRule& rule) {
  const ValueId training = rule.node.input(2);
  const bool is_inference = training == kAbsent && rule.node.opset >= 7;
  return is_inference && rule.has_rows(0) && rule.all_fixed_from(1) && rule.gives(rule.in(0));
}

bool follow_quantize(const RowRule& rule) {
  const int scale = rule.rank(1);
  const int axis = rule.resolved(rule.attribute("axis", 1));
  const bool is_one =
      scale == 0 || (scale == 1 && rule.states.dims(rule.node.input(1))->front() == 1);
  return (is_one || (scale == 1 && axis >= 0 && axis != rule.axis())) && follow_like_first(rule);
}

bool follow_resize(const RowRule& rule) {
  const std::size_t place = rule.node.opset >= 11 ? 2 : 1;
  const Tensor* scales = rule.states.graph().constant(rule.node.input(place));
  if (scales == nullptr || scales->dtype() != DType::f32 || rule.node.has_input(3) ||
      rule.node.attributes.contains("axes") ||
      rule.node.attributes.get("coordinate_transformation_mode", "") == "tf_crop_and_resize" ||
      scales->numel() != rule.rank(0))
    return false;
  const Tensor numbers = scales->contiguous();
  return rule.has_rows(0) && numbers.data<float>()[static_cast<std::size_t>(rule.axis())] == 1.f &&
         follow_like_first(rule);
}

/// The batch is axis 1 of [steps, batch, ...], or 0 with layout 1.
bool follow_recurrent(const RowRule& rule) {
  const int batch = rule.attribute("layout", 0) != 0 ? 0 : 1;
  constexpr std::size_t kLengths = 4;
  constexpr std::size_t kFirstState = 5;
  constexpr std::size_t kLastState = 6;
  if (rule.axis() != batch) return false;
  for (std::size_t i = 1; i < rule.count(); ++i) {
    if (!rule.node.has_input(i)) continue;
    const bool is_state = i == kFirstState || i == kLastState;
    const bool fits = i == kLengths ? rule.in(i).axis == 0
                      : is_state    ? rule.in(i).axis == batch
                                    : rule.in(i).is_fixed();
    if (!fits) return false;
  }
  rule.gives_rows(batch, rule.in(0).is_exact);
  if (rule.node.has_output(0))
    rule.states.set(rule.node.outputs[0], RowState::along(batch == 0 ? 0 : 2, rule.in(0).is_exact));
  return true;
}

// ---- Along axes ----

bool follow_along_last_axis(const RowRule& rule) { return along_axis_from(rule, -1); }
bool follow_along_first_axis(const RowRule& rule) { return along_axis_from(rule, 0); }
bool follow_from_last_axis(const RowRule& rule) { return from_axis_on(rule, -1); }

bool follow_softmax(const RowRule& rule) {
  return rule.node.opset >= 13 ? along_axis_from(rule, -1) : from_axis_on(rule, 1);
}

bool follow_cumulative(const RowRule& rule) {
  const auto axis = rule.states.ints(rule.node.input(1));
  return axis && axis->size() == 1 && rule.resolved(axis->front()) >= 0 &&
         rule.resolved(axis->front()) != rule.axis() && follow_like_first(rule);
}

bool follow_reduce(const RowRule& rule) {
  const auto axes = rule.axes(1);
  if (!axes) return false;
  if (axes->empty())
    return rule.attribute("noop_with_empty_axes", 0) != 0 && follow_like_first(rule);
  return reduced(rule, *axes);
}

bool follow_arg_reduce(const RowRule& rule) { return reduced(rule, {rule.attribute("axis", 0)}); }

// ---- Moving elements ----

bool follow_transpose(const RowRule& rule) {
  const Ints order = rule.node.attributes.ints("perm");
  if (!rule.has_rows(0) || rule.rank(0) < 0) return false;
  if (order.empty()) return rule.gives_rows(rule.rank(0) - 1 - rule.axis(), rule.in(0).is_exact);
  const auto place = std::ranges::find(order, std::int64_t{rule.axis()});
  return place != order.end() &&
         rule.gives_rows(static_cast<int>(place - order.begin()), rule.in(0).is_exact);
}

bool follow_squeeze(const RowRule& rule) {
  const auto axes = rule.axes(1);
  if (!axes || axes->empty() || !rule.has_rows(0)) return false;
  int before = 0;
  for (const std::int64_t given : *axes) {
    const int axis = rule.resolved(given);
    if (axis < 0 || axis == rule.axis()) return false;
    before += axis < rule.axis() ? 1 : 0;
  }
  return rule.gives_rows(rule.axis() - before, rule.in(0).is_exact);
}

bool follow_unsqueeze(const RowRule& rule) {
  const auto axes = rule.axes(1);
  if (!axes || !rule.has_rows(0)) return false;
  Ints places;
  for (const std::int64_t given : *axes)
    places.push_back(rule.resolved(given, static_cast<int>(axes->size())));
  std::ranges::sort(places);
  int axis = rule.axis();
  for (const std::int64_t place : places) {
    if (place < 0) return false;
    if (place <= axis) ++axis;
  }
  return rule.gives_rows(axis, rule.in(0).is_exact);
}

bool follow_flatten(const RowRule& rule) {
  const std::int64_t given = rule.attribute("axis", 1);
  const std::int64_t axis = given < 0 ? given + rule.rank(0) : given;
  return rule.axis() == 0 && rule.rank(0) > 0 && axis >= 1 &&
         rule.gives_rows(0, rule.in(0).is_exact && axis == 1);
}

bool follow_concat(const RowRule& rule) {
  const int axis = rule.resolved(rule.attribute("axis", 1));
  if (axis < 0 || axis == rule.axis()) return false;
  for (std::size_t i = 0; i < rule.count(); ++i) {
    if (rule.in(i).axis != rule.axis() || rule.in(i).is_exact != rule.in(0).is_exact) return false;
  }
  return rule.has_rows(0) && rule.gives(rule.in(0));
}

bool follow_slice(const RowRule& rule) {
  const bool by_attributes = rule.node.opset < 10;
  const auto axes = by_attributes ? std::optional(rule.node.attributes.ints("axes"))
                                  : rule.states.ints(rule.node.input(3));
  if (!axes || axes->empty()) return false;
  const bool touches = std::ranges::any_of(*axes, [&](std::int64_t given) {
    return rule.resolved(given) < 0 || rule.resolved(given) == rule.axis();
  });
  return !touches && follow_like_first(rule);
}

bool follow_gather(const RowRule& rule) {
  const int axis = rule.resolved(rule.attribute("axis", 0));
  const int indices = rule.rank(1);
  if (axis < 0 || indices < 0) return false;
  if (rule.in(0).is_fixed() && rule.has_rows(1))
    return rule.gives_rows(axis + rule.in(1).axis, rule.in(1).is_exact);
  if (!rule.has_rows(0) || !rule.in(1).is_fixed() || axis == rule.axis()) return false;
  return rule.gives_rows(rule.axis() < axis ? rule.axis() : rule.axis() + indices - 1,
                         rule.in(0).is_exact);
}

bool follow_one_hot(const RowRule& rule) {
  const int place = rule.resolved(rule.attribute("axis", -1), 1);
  if (place < 0 || !rule.has_rows(0) || !rule.all_fixed_from(1)) return false;
  return rule.gives_rows(rule.axis() < place ? rule.axis() : rule.axis() + 1, rule.in(0).is_exact);
}

bool follow_tile(const RowRule& rule) {
  const auto repeats = rule.states.ints(rule.node.input(1));
  return repeats && rule.has_rows(0) && std::ssize(*repeats) > rule.axis() &&
         (*repeats)[static_cast<std::size_t>(rule.axis())] == 1 && follow_like_first(rule);
}

bool follow_pad(const RowRule& rule) {
  if (rule.node.has_input(3) || !rule.has_rows(0)) return false;
  const auto pads = rule.node.opset < 11 ? std::optional(rule.node.attributes.ints("pads"))
                                         : rule.states.ints(rule.node.input(1));
  if (!pads || std::ssize(*pads) != 2 * rule.rank(0)) return false;
  const auto axis = static_cast<std::size_t>(rule.axis());
  return (*pads)[axis] == 0 && (*pads)[axis + pads->size() / 2] == 0 && follow_like_first(rule);
}

bool follow_trilu(const RowRule& rule) {
  return rule.axis() < rule.rank(0) - 2 && follow_like_first(rule);
}

// ---- Shapes ----

bool follow_shape(const RowRule& rule) {
  const auto dims = rule.states.dims(rule.node.input(0));
  if (!dims || !rule.has_rows(0) || !rule.in(0).is_exact) return false;
  const auto rank = static_cast<std::int64_t>(dims->size());
  const auto clamped = [&](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  std::vector<RowSize> sizes;
  for (std::int64_t i = clamped(rule.attribute("start", 0));
       i < clamped(rule.attribute("end", rank)); ++i) {
    constexpr std::int64_t kSome = -2;
    const std::int64_t size = (*dims)[static_cast<std::size_t>(i)];
    sizes.push_back({i == rule.axis(), size < 0 ? kSome : size});
  }
  return gives_sizes(rule, std::move(sizes));
}

bool concat_sizes(const RowRule& rule) {
  std::vector<RowSize> all;
  for (std::size_t i = 0; i < rule.count(); ++i) {
    const auto part = sizes_of(rule, i);
    if (!part) return false;
    all.insert(all.end(), part->begin(), part->end());
  }
  return gives_sizes(rule, std::move(all));
}

bool same_sizes(const RowRule& rule) {
  const std::vector<RowSize>& sizes = rule.in(0).sizes;
  return !sizes.empty() && rule.all_fixed_from(1) && gives_sizes(rule, sizes);
}

bool gather_sizes(const RowRule& rule) {
  const std::vector<RowSize>& sizes = rule.in(0).sizes;
  const auto length = std::ssize(sizes);
  const auto indices = rule.states.ints(rule.node.input(1));
  if (sizes.empty() || !indices) return false;
  std::vector<RowSize> taken;
  for (const std::int64_t index : *indices) {
    if (index < -length || index >= length) return false;
    taken.push_back(sizes[static_cast<std::size_t>(index < 0 ? index + length : index)]);
  }
  return gives_sizes(rule, std::move(taken));
}

bool slice_sizes(const RowRule& rule) {
  const std::vector<RowSize>& sizes = rule.in(0).sizes;
  const auto length = std::ssize(sizes);
  if (sizes.empty() || rule.node.opset < 10) return false;
  const auto start = rule.states.ints(rule.node.input(1));
  const auto end = rule.states.ints(rule.node.input(2));
  const auto step = rule.states.ints(rule.node.input(4));
  if (!start || !end || start->size() != 1 || end->size() != 1 ||
      (rule.node.has_input(4) && (!step || step->front() != 1)))
    return false;
  const auto clamped = [&](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + length : at, 0, length);
  };
  const std::int64_t from = clamped(start->front());
  const std::int64_t to = std::max(from, clamped(end->front()));
  return gives_sizes(rule, {sizes.begin() + from, sizes.begin() + to});
}

bool follow_constant_of_shape(const RowRule& rule) {
  const auto sizes = sizes_of(rule, 0);
  return sizes && place_of_count(*sizes) >= 0 && rule.gives_rows(place_of_count(*sizes), true);
}

bool follow_expand(const RowRule& rule) {
  if (!rule.in(0).sizes.empty()) return false;
  const auto sizes = sizes_of(rule, 1);
  const int rank = rule.rank(0);
  if (!sizes || rank < 0) return false;
  const int longer = std::max(rank, static_cast<int>(sizes->size()));
  const int count = place_of_count(*sizes);
  const bool has_count = std::ranges::any_of(*sizes, &RowSize::is_count);
  const int from_end = static_cast<int>(sizes->size()) - count;
  if (has_count && count < 0) return false;
  if (!rule.has_rows(0)) {
    return has_count && rule.in(0).is_fixed() && broadcasts_over_rows(rule, 0, from_end) &&
           rule.gives_rows(longer - from_end, true);
  }
  const int own = rank - rule.axis();  // from the end
  if (has_count && (own != from_end || !rule.in(0).is_exact)) return false;
  if (!has_count && own <= static_cast<int>(sizes->size()) &&
      (*sizes)[sizes->size() - static_cast<std::size_t>(own)].number != 1)
    return false;
  return rule.gives_rows(longer - own, rule.in(0).is_exact);
}

/// Rows are blocks side by side: they stay so where the first axis alone takes what there is of
/// them, and the others have sizes of their own.
bool follow_reshape(const RowRule& rule) {
  if (!rule.in(0).sizes.empty() || rule.axis() != 0 || rule.node.opset < 5) return false;
  const auto sizes = sizes_of(rule, 1);
  const auto dims = rule.states.dims(rule.node.input(0));
  if (!sizes || sizes->empty() || !dims || rule.attribute("allowzero", 0) != 0) return false;
  Ints rest;
  for (std::size_t i = 1; i < sizes->size(); ++i) {
    const RowSize& size = (*sizes)[i];
    if (size.is_count) return false;
    const bool copies = size.number == 0;
    if (copies && i >= dims->size()) return false;
    rest.push_back(copies ? (*dims)[i] : size.number);
  }
  const RowSize& first = sizes->front();
  if (first.is_count) return rule.gives_rows(0, true);
  if (first.number == 0) return rule.gives_rows(0, rule.in(0).is_exact);
  if (first.number != -1) return false;
  const std::int64_t of_result = product(rest);
  const std::int64_t of_row = product(std::span(*dims).subspan(1));
  const bool keeps = rule.in(0).is_exact && of_row > 0 && of_row == of_result;
  return rule.gives_rows(0, keeps);
}

}  // namespace quern::onnx
