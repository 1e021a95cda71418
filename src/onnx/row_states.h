#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "onnx/operator.h"

namespace quern::onnx {

/// A number that a graph computes from shapes: the count of rows, or one that does not depend on
/// it.
struct RowSize {
  bool is_count = false;
  std::int64_t number = -1;  ///< -1 where it is not known
};

/// How a value depends on rows that are computed together.
struct RowState {
  /// Of those that have rows: their axis.
  int axis = -1;
  /// Whether the axis has one place a row, and not some.
  bool is_exact = true;
  /// Of numbers made of shapes, the count of rows among them.
  std::vector<RowSize> sizes;

  static RowState fixed() { return {}; }
  static RowState along(int axis, bool is_exact = true) { return {axis, is_exact, {}}; }

  bool has_rows() const { return axis >= 0; }
  /// Neither rows nor numbers that their count is in.
  bool is_fixed() const { return axis < 0 && sizes.empty(); }
};

/// What is known of the values of a graph so far.
class RowStates {
 public:
  explicit RowStates(const Graph& graph) : graph_(graph) {}

  void set(ValueId id, RowState state) { states_.insert_or_assign(id, std::move(state)); }
  /// Null for what no node made; constants are fixed.
  const RowState* find(ValueId id) const;

  const Graph& graph() const { return graph_; }
  /// Nothing where not even the rank is known.
  std::optional<std::vector<std::int64_t>> dims(ValueId id) const;
  /// Elements of a constant of integers; nothing where it is none.
  std::optional<std::vector<std::int64_t>> ints(ValueId id) const;

 private:
  const Graph& graph_;
  std::map<ValueId, RowState> states_;
};

/// What rules ask of a node and its inputs.
class RowRule {
 public:
  RowRule(const Node& of, RowStates& known) : node(of), states(known) {}

  const Node& node;
  RowStates& states;

  const RowState& in(std::size_t index) const { return *states.find(node.input(index)); }
  bool has_rows(std::size_t index) const { return in(index).has_rows(); }
  int axis() const { return in(0).axis; }
  std::size_t count() const { return node.operator_inputs; }
  /// -1 where the rank is not known.
  int rank(std::size_t index) const {
    const auto dims = states.dims(node.input(index));
    return dims ? static_cast<int>(dims->size()) : -1;
  }
  bool all_fixed_from(std::size_t first) const {
    for (std::size_t i = first; i < count(); ++i) {
      if (!in(i).is_fixed()) return false;
    }
    return true;
  }
  /// Of input 0, counted from the front; -1 where it is out of range or the rank is not known.
  int resolved(std::int64_t axis_given, int extra = 0) const {
    const int of = rank(0) < 0 ? -1 : rank(0) + extra;
    if (of < 0 || axis_given < -of || axis_given >= of) return -1;
    return static_cast<int>(axis_given < 0 ? axis_given + of : axis_given);
  }
  /// The attribute `axes`, or input `index` of newer opsets; nothing where it is not constant.
  std::optional<std::vector<std::int64_t>> axes(std::size_t index) const {
    if (node.attributes.contains("axes")) return node.attributes.ints("axes");
    if (!node.has_input(index)) return std::vector<std::int64_t>{};
    return states.ints(node.input(index));
  }
  std::int64_t attribute(const char* name, std::int64_t fallback) const {
    return node.attributes.get(name, fallback);
  }

  bool gives(RowState state) const {
    for (const ValueId id : node.outputs) {
      if (id != kAbsent) states.set(id, state);
    }
    return true;
  }
  bool gives_rows(int axis_of_result, bool is_exact) const {
    return gives(RowState::along(axis_of_result, is_exact));
  }
};

/// Sets the states of a node's outputs by the rules of its operator; false where it mixes rows or
/// may do so.
bool follow_rows(const Node& node, RowStates& states);

}  // namespace quern::onnx
