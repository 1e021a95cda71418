#include "onnx/passes/rewriter.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace quern::onnx {

Rewriter::Rewriter(Graph& graph)
    : graph_(graph),
      producer_(graph.values.size(), -1),
      reads_(graph.values.size(), 0),
      first_reader_(graph.values.size(), -1),
      removed_(graph.nodes.size(), false) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : graph.nodes[i].outputs) {
      if (id != kAbsent) producer_[static_cast<std::size_t>(id)] = static_cast<std::ptrdiff_t>(i);
    }
    add_reads(graph.nodes[i]);
  }
  for (const ValueId id : graph.outputs) {
    if (id != kAbsent) ++reads_[static_cast<std::size_t>(id)];
  }
}

Rewriter::~Rewriter() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (removed_[i]) continue;
    if (kept != i) graph_.nodes[kept] = std::move(graph_.nodes[i]);
    ++kept;
  }
  graph_.nodes.resize(kept);
}

void Rewriter::add_reads(const Node& node) {
  for (const ValueId id : node.inputs) {
    if (id == kAbsent) continue;
    ++reads_[static_cast<std::size_t>(id)];
    std::ptrdiff_t& first = first_reader_[static_cast<std::size_t>(id)];
    readers_.push_back({static_cast<std::ptrdiff_t>(index_of(node)), first});
    first = std::ssize(readers_) - 1;
  }
}

void Rewriter::drop_reads(const Node& node) {
  for (const ValueId id : node.inputs) {
    if (id != kAbsent) --reads_[static_cast<std::size_t>(id)];
  }
}

template <class Use>
void Rewriter::for_each_reader(ValueId id, const Use& use) {
  for (std::ptrdiff_t* place = &first_reader_[static_cast<std::size_t>(id)]; *place >= 0;) {
    Reader& reader = readers_[static_cast<std::size_t>(*place)];
    Node& node = graph_.nodes[static_cast<std::size_t>(reader.node)];
    if (std::ranges::count(node.inputs, id) == 0) {
      *place = reader.next;
      continue;
    }
    use(node);
    place = &reader.next;
  }
}

Node* Rewriter::producer(ValueId id) {
  if (id == kAbsent) return nullptr;
  const std::ptrdiff_t place = producer_[static_cast<std::size_t>(id)];
  return place < 0 ? nullptr : &graph_.nodes[static_cast<std::size_t>(place)];
}

Node* Rewriter::producer(ValueId id, std::string_view op_type) {
  Node* found = producer(id);
  return found != nullptr && found->is(op_type) ? found : nullptr;
}

Node* Rewriter::only_reader(ValueId id) {
  if (id == kAbsent || reads(id) != 1) return nullptr;
  Node* found = nullptr;
  for_each_reader(id, [&](Node& node) { found = &node; });
  return found;
}

void Rewriter::replace(ValueId from, ValueId to) {
  changed_ = true;
  std::vector<Node*> nodes;
  for_each_reader(from, [&](Node& node) { nodes.push_back(&node); });
  for (Node* node : nodes) {
    drop_reads(*node);
    std::ranges::replace(node->inputs, from, to);
    add_reads(*node);
  }
  for (ValueId& id : graph_.outputs) {
    if (id != from) continue;
    id = to;
    --reads_[static_cast<std::size_t>(from)];
    ++reads_[static_cast<std::size_t>(to)];
  }
}

void Rewriter::remove(Node& node) {
  changed_ = true;
  drop_reads(node);
  for (const ValueId id : node.outputs) {
    if (id != kAbsent) producer_[static_cast<std::size_t>(id)] = -1;
  }
  removed_[index_of(node)] = true;
  node.inputs.clear();
  node.operator_inputs = 0;
  node.op_type.clear();
  node.row = nullptr;
}

void Rewriter::substitute(Node& last, Node made, std::span<Node* const> others) {
  made.outputs = last.outputs;
  for (Node* other : others) {
    if (other != nullptr && other != &last && !removed_[index_of(*other)]) remove(*other);
  }
  drop_reads(last);
  last = std::move(made);
  add_reads(last);
  changed_ = true;
}

ValueId Rewriter::add_constant(std::string name, Tensor value) {
  const ValueId id = graph_.add_value(std::move(name));
  graph_.value(id).constant = std::move(value);
  producer_.push_back(-1);
  reads_.push_back(0);
  first_reader_.push_back(-1);
  return id;
}

void Rewriter::set_inputs(Node& node, std::vector<ValueId> inputs) {
  changed_ = true;
  drop_reads(node);
  node.operator_inputs = inputs.size();
  node.inputs = std::move(inputs);
  add_reads(node);
}

std::optional<std::size_t> known_rank(const Graph& graph, ValueId id) {
  if (id == kAbsent) return std::nullopt;
  if (const Tensor* constant = graph.constant(id))
    return static_cast<std::size_t>(constant->rank());
  const auto& dims = graph.value(id).dims;
  return dims ? std::optional(dims->size()) : std::nullopt;
}

std::optional<double> scalar_beside(const Graph& graph, ValueId id, ValueId beside) {
  const Tensor* constant = graph.constant(id);
  if (constant == nullptr || beside == kAbsent) return std::nullopt;
  const auto axes = static_cast<std::size_t>(constant->rank());
  const bool keeps = axes == 0 || axes <= known_rank(graph, beside).value_or(0);
  return keeps ? scalar_constant(graph, id) : std::nullopt;
}

bool is_scalar_beside(const Graph& graph, ValueId id, ValueId beside, double number) {
  const auto value = scalar_beside(graph, id, beside);
  if (!value) return false;
  const DType dtype = graph.constant(id)->dtype();
  const double rounding = dtype == DType::bf16 ? 8e-3 : dtype == DType::f16 ? 1e-3 : 2e-6;
  return std::abs(*value - number) <= rounding * std::abs(number);
}

ValueId other_input(const Node& node, ValueId value) {
  if (node.operator_inputs != 2 || node.inputs[0] == node.inputs[1]) return kAbsent;
  if (node.inputs[0] == value) return node.inputs[1];
  return node.inputs[1] == value ? node.inputs[0] : kAbsent;
}

ValueId combined_with(Rewriter& rewriter, ValueId id, std::string_view op_type, double number) {
  const Node* node = rewriter.producer(id, op_type);
  if (node == nullptr || node->operator_inputs != 2) return kAbsent;
  for (std::size_t i = 0; i < 2; ++i) {
    if (is_scalar_beside(rewriter.graph(), node->input(i), node->input(1 - i), number))
      return node->input(1 - i);
  }
  return kAbsent;
}

Node make_node(const Node& like, std::string_view op_type, std::vector<ValueId> inputs,
               std::string_view domain, std::int64_t opset) {
  Node node;
  node.name = like.name;
  set_operator(node, domain, op_type, opset);
  node.operator_inputs = inputs.size();
  node.inputs = std::move(inputs);
  return node;
}

}  // namespace quern::onnx
