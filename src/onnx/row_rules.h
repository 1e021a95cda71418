#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "onnx/graph.h"

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

/// Sets the states of a node's outputs; false where it mixes rows or may do so.
bool follow_rows(const Node& node, RowStates& states);

}  // namespace quern::onnx
