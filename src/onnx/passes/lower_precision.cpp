#include <algorithm>
#include <map>
#include <set>

#include "onnx/operator.h"
#include "onnx/passes/pass.h"

namespace quern::onnx {
namespace {

constexpr std::int64_t kFloat = 1;  // TensorProto.DataType
constexpr std::int64_t kBFloat16 = 16;

/// Rewrites node by node, knowing which values are in bf16 so far.
class Lowering {
 public:
  explicit Lowering(Graph& graph) : graph_(graph) {}

  bool run() {
    std::vector<Node> before = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (Node& node : before) add(std::move(node));
    for (ValueId& id : graph_.outputs) id = in(kFloat, id);
    return !lowered_.empty();
  }

 private:
  void add(Node node) {
    if (node.row != nullptr && node.row->bf16.starts) {
      lower(node, node.operator_inputs);
    } else if (const std::size_t count = followed_inputs(node); count > 0) {
      lower(node, count);
    } else {
      for (ValueId& id : node.inputs) id = in(kFloat, id);
    }
    graph_.nodes.push_back(std::move(node));
  }

  // The first `count` inputs in bf16, and so the result. Constant weights and biases stay f32:
  // kernels pack them as they like.
  void lower(Node& node, std::size_t count) {
    const bool product = node.attributes.contains(kSteps);
    for (std::size_t i = 0; i < std::min(count, node.inputs.size()); ++i) {
      const bool packed = product && (i == 1 || i == 2);
      if (!packed) node.inputs[i] = in(kBFloat16, node.inputs[i]);
    }
    for (const ValueId id : node.outputs) lowered_.insert(id);
  }

  std::size_t followed_inputs(const Node& node) const {
    if (node.row == nullptr || node.outputs.size() != 1) return 0;
    const std::size_t count = std::min(node.row->bf16.inputs, node.operator_inputs);
    bool any = false;
    for (std::size_t i = 0; i < count; ++i) {
      const ValueId id = node.inputs[i];
      const bool is_lowered = lowered_.contains(id);
      if (!is_lowered && graph_.constant(id) == nullptr) return 0;
      any |= is_lowered;
    }
    return any ? count : 0;
  }

  /// The value in f32 or bf16, cast where it is in the other.
  ValueId in(std::int64_t wanted, ValueId id) {
    if (id == kAbsent || lowered_.contains(id) == (wanted == kBFloat16)) return id;
    const Tensor* constant = graph_.constant(id);
    if (constant != nullptr && constant->dtype() != DType::f32) return id;
    const auto known = casts_.find(id);
    if (known != casts_.end()) return known->second;
    const ValueId made =
        graph_.add_value(graph_.value(id).name + (wanted == kFloat ? "/f32" : "/bf16"));
    casts_.emplace(id, made);
    if (wanted == kBFloat16) lowered_.insert(made);
    if (graph_.constant(id) != nullptr) {
      graph_.value(made).constant = graph_.constant(id)->cast(DType::bf16);
      return made;
    }
    Node cast;
    cast.name = graph_.value(made).name;
    set_operator(cast, {}, "Cast", 13);
    cast.attributes.set("to", wanted);
    cast.inputs = {id};
    cast.operator_inputs = 1;
    cast.outputs = {made};
    graph_.nodes.push_back(std::move(cast));
    return made;
  }

  Graph& graph_;
  std::set<ValueId> lowered_;         // what is in bf16
  std::map<ValueId, ValueId> casts_;  // from a value to itself in the other dtype
};

}  // namespace

bool lower_precision(Graph& graph) { return Lowering(graph).run(); }

}  // namespace quern::onnx
