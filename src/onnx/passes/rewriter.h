#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "onnx/operator.h"

namespace quern::onnx {

/// Finds patterns in a graph and replaces them: who gives a value, who reads it, and changes that
/// keep both up to date. What was removed leaves the graph when the Rewriter goes.
class Rewriter {
 public:
  explicit Rewriter(Graph& graph);
  ~Rewriter();
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

  Graph& graph() noexcept { return graph_; }
  std::size_t node_count() const noexcept { return graph_.nodes.size(); }
  Node& node(std::size_t index) { return graph_.nodes[index]; }
  bool is_removed(std::size_t index) const { return removed_[index]; }
  bool changed() const noexcept { return changed_; }

  /// The node that gives `id`; null for inputs, constants and what is absent.
  Node* producer(ValueId id);
  /// As `producer`, where it is of `op_type` in ai.onnx.
  Node* producer(ValueId id, std::string_view op_type);
  /// How often `id` is read, by nodes and as an output of the graph.
  std::size_t reads(ValueId id) const { return reads_[static_cast<std::size_t>(id)]; }
  /// The one node that reads `id`, once; null where there are others or none.
  Node* only_reader(ValueId id);

  /// Everything that reads `from` reads `to` instead.
  void replace(ValueId from, ValueId to);
  void remove(Node& node);
  /// Puts `made` in the place of `last`, whose outputs it gives, and removes `others`.
  void substitute(Node& last, Node made, std::span<Node* const> others);
  ValueId add_constant(std::string name, Tensor value);
  void set_inputs(Node& node, std::vector<ValueId> inputs);

 private:
  std::size_t index_of(const Node& node) const {
    return static_cast<std::size_t>(&node - graph_.nodes.data());
  }
  void add_reads(const Node& node);
  void drop_reads(const Node& node);

  /// A node that reads a value, or did: it may have been given other inputs since.
  struct Reader {
    std::ptrdiff_t node;
    std::ptrdiff_t next;  // of the same value, in readers_; -1: none
  };
  /// Calls `use` with each node that reads `id`.
  template <class Use>
  void for_each_reader(ValueId id, const Use& use);

  Graph& graph_;
  std::vector<std::ptrdiff_t> producer_;      // by value; -1: none
  std::vector<std::size_t> reads_;            // by value
  std::vector<std::ptrdiff_t> first_reader_;  // by value, in readers_; -1: none
  std::vector<Reader> readers_;
  std::vector<bool> removed_;
  bool changed_ = false;
};

/// How many axes a value has, where that is known.
std::optional<std::size_t> known_rank(const Graph& graph, ValueId id);
/// The number that is combined with each element of `beside`, whose shape the result keeps: a
/// constant of one element and no more axes.
std::optional<double> scalar_beside(const Graph& graph, ValueId id, ValueId beside);
/// As `scalar_beside`, and whether it is `number` as the constant's dtype rounds it.
bool is_scalar_beside(const Graph& graph, ValueId id, ValueId beside, double number);

/// The input of a node of two inputs that is not `value`; kAbsent where it has none or both are.
ValueId other_input(const Node& node, ValueId value);

/// The value that a Mul (or Add) of `op_type` combines with the constant `number` to give `id`,
/// which has its shape.
ValueId combined_with(Rewriter& rewriter, ValueId id, std::string_view op_type, double number);

/// A node of an operator, with inputs and no outputs yet, for the place of `like`.
Node make_node(const Node& like, std::string_view op_type, std::vector<ValueId> inputs,
               std::string_view domain = kQuern, std::int64_t opset = 1);

}  // namespace quern::onnx
