#include <algorithm>

#include "core/format.h"
#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using Items = std::vector<Value>;

Items items_of(const Inputs& in, std::size_t index) {
  const auto items = in.value(index).items();
  return {items.begin(), items.end()};
}

/// The position that input `index` gives, in [0, size) or, `inclusive`, [0, size].
std::ptrdiff_t position(const Inputs& in, std::size_t index, std::size_t size, bool inclusive) {
  const std::vector<std::int64_t> given = in.ints(index);
  const auto count = static_cast<std::int64_t>(size);
  require(given.size() == 1, "a position expected, got {} numbers", given.size());
  require(given[0] >= -count && given[0] < count + (inclusive ? 1 : 0),
          "position {} is out of range for a sequence of {}", given[0], size);
  return static_cast<std::ptrdiff_t>(given[0] < 0 ? given[0] + count : given[0]);
}

KernelPtr construct(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    Items items;
    for (const Tensor& tensor : in.tensors()) items.emplace_back(tensor);
    return Value::sequence(std::move(items));
  });
}

KernelPtr empty(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs&) { return Value::sequence({}); });
}

KernelPtr at(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    const auto items = in.value(0).items();
    return items[static_cast<std::size_t>(position(in, 1, items.size(), false))];
  });
}

KernelPtr insert(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    Items items = items_of(in, 0);
    const auto place = in.has(2) ? position(in, 2, items.size(), true) : std::ssize(items);
    items.insert(items.begin() + place, Value(in[1]));
    return Value::sequence(std::move(items));
  });
}

KernelPtr erase(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    Items items = items_of(in, 0);
    require(!items.empty(), "the sequence is empty");
    const auto place = in.has(1) ? position(in, 1, items.size(), false) : std::ssize(items) - 1;
    items.erase(items.begin() + place);
    return Value::sequence(std::move(items));
  });
}

KernelPtr length(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    return Tensor::scalar(static_cast<std::int64_t>(in.value(0).items().size()));
  });
}

/// Sizes of the parts along an axis: those given; or all of one size, but a smaller last one.
std::vector<std::int64_t> part_sizes(const Inputs& in, std::int64_t size) {
  if (in.has(1) && in[1].rank() > 0) return in.ints(1);
  const std::int64_t each = in.has(1) ? in.ints(1)[0] : 1;
  require(each > 0, "parts of size {}", each);
  std::vector<std::int64_t> sizes;
  for (std::int64_t left = size; left > 0; left -= sizes.back())
    sizes.push_back(std::min(each, left));
  return sizes;
}

KernelPtr split_to_sequence(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{0});
  const bool keeps_axis = node.attributes.get("keepdims", std::int64_t{1}) != 0;
  return make_kernel([axis, keeps_axis](const Inputs& in) {
    const int along = checked_axis(axis, in[0].rank());
    Items items;
    for (const Tensor& part : ops::split(in[0], part_sizes(in, in[0].shape()[along]), along))
      items.emplace_back(keeps_axis || in.has(1) ? part : part.squeeze(along));
    return Value::sequence(std::move(items));
  });
}

KernelPtr concat_from_sequence(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get<std::int64_t>("axis");
  const bool is_new = node.attributes.get("new_axis", std::int64_t{0}) != 0;
  return make_kernel([axis, is_new](const Inputs& in) {
    std::vector<Tensor> parts;
    for (const Value& item : in.value(0).items()) parts.push_back(item.tensor());
    require(!parts.empty(), "the sequence is empty");
    const int along = checked_axis(axis, parts[0].rank() + (is_new ? 1 : 0));
    for (Tensor& part : parts) part = is_new ? part.unsqueeze(along) : part;
    return ops::concat(parts, along);
  });
}

class SequenceMap final : public Kernel {
 public:
  SequenceMap(const Node& node, const ImportContext& context)
      : body_(context.compile(*node.attributes.get<std::shared_ptr<const Graph>>("body"))),
        inputs_(node.operator_inputs) {
    if (body_->graph().inputs.size() != inputs_) {
      fail(ErrorCode::corrupt_file, "{} inputs, and a body of {}", inputs_,
           body_->graph().inputs.size());
    }
  }

  void run(const Inputs& in, Outputs& out) const override {
    const std::size_t count = in.value(0).items().size();
    std::vector<Items> results(body_->graph().outputs.size());
    for (std::size_t i = 0; i < count; ++i) {
      Items made = body_->run_nested(arguments(in, i), in);
      for (std::size_t k = 0; k < made.size(); ++k) results[k].push_back(std::move(made[k]));
    }
    for (std::size_t k = 0; k < results.size(); ++k)
      out.set(k, Value::sequence(std::move(results[k])));
  }

 private:
  Items arguments(const Inputs& in, std::size_t place) const {
    Items given;
    for (std::size_t k = 0; k < inputs_; ++k) {
      const Value& value = in.value(k);
      if (value.kind() != ValueKind::sequence) {
        given.push_back(value);
        continue;
      }
      require(value.items().size() == in.value(0).items().size(), "sequences of {} and {} values",
              in.value(0).items().size(), value.items().size());
      given.push_back(value.items()[place]);
    }
    return given;
  }

  std::shared_ptr<const Subgraph> body_;
  std::size_t inputs_;
};

KernelPtr map(const Node& node, const ImportContext& context) {
  return std::make_unique<const SequenceMap>(node, context);
}

// ---- An optional is its value, or nothing ----

KernelPtr optional(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return in.value(0); });
}

KernelPtr optional_has_element(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return Tensor::scalar(in.has(0)); });
}

KernelPtr optional_get_element(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    require(in.has(0), "the optional has no value");
    return in.value(0);
  });
}

// clang-format off
constexpr Operator kSequenceOperators[] = {
    {.op_type = "ConcatFromSequence", .since = 11, .inputs = {1, 1},
     .import = concat_from_sequence},
    {.op_type = "Optional", .since = 15, .inputs = {0, 1}, .import = optional},
    {.op_type = "OptionalGetElement", .since = 15, .inputs = {1, 1},
     .import = optional_get_element},
    {.op_type = "OptionalHasElement", .since = 15, .inputs = {1, 1},
     .import = optional_has_element},
    {.op_type = "OptionalHasElement", .since = 18, .inputs = {0, 1},
     .import = optional_has_element},
    {.op_type = "SequenceAt", .since = 11, .inputs = {2, 2}, .import = at},
    {.op_type = "SequenceConstruct", .since = 11, .inputs = {1, kAnyNumber}, .import = construct},
    {.op_type = "SequenceEmpty", .since = 11, .inputs = {0, 0}, .import = empty},
    {.op_type = "SequenceErase", .since = 11, .inputs = {1, 2}, .import = erase},
    {.op_type = "SequenceInsert", .since = 11, .inputs = {2, 3}, .import = insert},
    {.op_type = "SequenceLength", .since = 11, .inputs = {1, 1}, .import = length},
    {.op_type = "SequenceMap", .since = 17, .inputs = {1, kAnyNumber}, .import = map},
    {.op_type = "SplitToSequence", .since = 11, .inputs = {1, 2}, .import = split_to_sequence},
};
// clang-format on

}  // namespace

OperatorTable sequence_operators() { return kSequenceOperators; }

}  // namespace quern::onnx
