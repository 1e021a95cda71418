#include "onnx/build.h"

#include <algorithm>
#include <queue>
#include <set>

#include "core/error.h"
#include "onnx/old_forms.h"
#include "onnx/operator.h"
#include "onnx/split_fused.h"
#include "onnx/training/gradient.h"

namespace quern::onnx {
namespace {

namespace proto = io::onnx;

constexpr int kMaxCallDepth = 32;             // functions that call functions
constexpr std::size_t kMaxNodes = 1'000'000;  // once functions are expanded

/// What names mean in one list of nodes: a graph's, a subgraph's or a function's.
struct Scope {
  Graph& graph;
  const std::vector<proto::OperatorSetId>& opsets;
  Scope* outer = nullptr;                 ///< around a subgraph
  const Attributes* arguments = nullptr;  ///< of the function whose body this is
  std::string prefix = {};                ///< of names, so that an expanded body's are its own
  int call_depth = 0;
  std::map<std::string, ValueId, std::less<>> names = {};
  /// (of the graph around, of this graph), in order of use.
  std::vector<std::pair<ValueId, ValueId>> captured = {};
};

std::string label(const proto::NodeProto& node) {
  return node.name.empty() ? node.op_type : node.name;
}

bool is_gradient(const proto::NodeProto& node) {
  return node.domain == "ai.onnx.preview.training" && node.op_type == "Gradient";
}

void collect_reads(const proto::NodeProto& node, std::set<std::string_view>& reads);

// Names that a subgraph reads of the graphs around it: not those that it gives itself, though a
// node around it may give the same.
void collect_outer_reads(const proto::GraphProto& graph, std::set<std::string_view>& reads) {
  std::set<std::string_view> all;
  for (const proto::NodeProto& node : graph.node) collect_reads(node, all);
  for (const proto::ValueInfoProto& output : graph.output) all.insert(output.name);
  for (const proto::ValueInfoProto& input : graph.input) all.erase(input.name);
  for (const proto::NamedTensor& initializer : graph.initializer) all.erase(initializer.name);
  for (const proto::NodeProto& node : graph.node) {
    for (const std::string& name : node.output) all.erase(name);
  }
  reads.merge(all);
}

// Names that a node and its subgraphs read.
void collect_reads(const proto::NodeProto& node, std::set<std::string_view>& reads) {
  reads.insert(node.input.begin(), node.input.end());
  for (const proto::AttributeProto& attribute : node.attribute) {
    const auto* name = std::get_if<std::string>(&attribute.value);
    if (is_gradient(node) && name != nullptr) reads.insert(*name);
    const auto* graph = std::get_if<std::shared_ptr<const proto::GraphProto>>(&attribute.value);
    if (graph != nullptr) collect_outer_reads(**graph, reads);
  }
}

// Places of nodes in an order of execution, the file's own where it is one.
std::vector<std::size_t> execution_order(const std::vector<proto::NodeProto>& nodes) {
  std::map<std::string_view, std::size_t> producers;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& name : nodes[i].output) {
      if (!name.empty() && !producers.emplace(name, i).second) {
        fail(ErrorCode::corrupt_file, "graph: two nodes give \"{}\" (node \"{}\")", name,
             label(nodes[i]));
      }
    }
  }
  std::vector<std::size_t> waits(nodes.size(), 0);
  std::vector<std::vector<std::size_t>> followers(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    std::set<std::string_view> reads;
    collect_reads(nodes[i], reads);
    for (const std::string_view name : reads) {
      const auto producer = producers.find(name);
      if (producer == producers.end()) continue;
      followers[producer->second].push_back(i);
      ++waits[i];
    }
  }
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (waits[i] == 0) ready.push(i);
  }
  std::vector<std::size_t> order;
  while (!ready.empty()) {
    order.push_back(ready.top());
    ready.pop();
    for (const std::size_t follower : followers[order.back()]) {
      if (--waits[follower] == 0) ready.push(follower);
    }
  }
  if (order.size() != nodes.size()) {
    const auto stuck = std::ranges::find_if(waits, [](std::size_t count) { return count > 0; });
    fail(ErrorCode::corrupt_file, "graph: nodes form a cycle (node \"{}\")",
         label(nodes[static_cast<std::size_t>(stuck - waits.begin())]));
  }
  return order;
}

class Builder {
 public:
  Builder(const proto::ModelProto& model, const std::set<std::string>& given)
      : model_(model), given_(given) {
    for (const proto::FunctionProto& function : model.functions)
      functions_.emplace(std::tuple(function.domain, function.name, function.overload), &function);
  }

  Graph build() {
    Graph graph;
    Scope scope{.graph = graph, .opsets = model_.opset_import};
    add_graph(model_.graph, scope);
    return graph;
  }

 private:
  void add_graph(const proto::GraphProto& source, Scope& scope) {
    Graph& graph = scope.graph;
    graph.name = source.name;
    for (const proto::NamedTensor& initializer : source.initializer) {
      if (scope.outer == nullptr && given_.contains(initializer.name)) continue;
      const ValueId id = define(scope, initializer.name);
      graph.value(id).constant = initializer.tensor;
    }
    for (const proto::ValueInfoProto& input : source.input) {
      const auto known = scope.names.find(input.name);
      if (known != scope.names.end() && graph.value(known->second).constant)
        continue;  // an initializer is its value
      const ValueId id = define(scope, input.name);
      graph.inputs.push_back(id);
      declare(graph.value(id), input.type);
    }
    add_nodes(source.node, scope);
    for (const proto::ValueInfoProto& output : source.output) {
      const auto id = find(scope, output.name);
      if (!id) fail(ErrorCode::corrupt_file, "graph: nothing gives output \"{}\"", output.name);
      graph.outputs.push_back(*id);
      GraphValue declared;
      declare(declared, output.type);
      graph.declared_outputs.push_back({declared.dtype, std::move(declared.dims)});
    }
  }

  static void declare(GraphValue& value, const proto::TypeProto& type) {
    if (type.kind != proto::TypeProto::Kind::tensor) return;
    value.dtype = type.dtype;
    if (!type.has_shape) return;
    value.dims.emplace();
    for (const proto::Dimension& dim : type.shape) {
      const auto* size = std::get_if<std::int64_t>(&dim);
      value.dims->push_back(size != nullptr && *size >= 0 ? *size : -1);
    }
  }

  static ValueId define(Scope& scope, const std::string& name) {
    const ValueId id = scope.graph.add_value(scope.prefix + name);
    if (!scope.names.emplace(name, id).second)
      fail(ErrorCode::corrupt_file, "graph: \"{}\" is given twice", name);
    return id;
  }

  // The value that a name means, brought in from around the subgraph where it is from there.
  static std::optional<ValueId> find(Scope& scope, std::string_view name) {
    const auto known = scope.names.find(name);
    if (known != scope.names.end()) return known->second;
    if (scope.outer == nullptr) return std::nullopt;
    const auto outside = find(*scope.outer, name);
    if (!outside || *outside == kAbsent) return outside;
    const GraphValue source = scope.outer->graph.value(*outside);
    const ValueId inside = scope.graph.add_value(source.name);
    scope.graph.value(inside) = source;
    if (!source.constant) scope.captured.emplace_back(*outside, inside);
    scope.names.emplace(name, inside);
    return inside;
  }

  void add_nodes(const std::vector<proto::NodeProto>& nodes, Scope& scope) {
    for (const std::size_t place : execution_order(nodes)) {
      const proto::NodeProto& node = nodes[place];
      const auto function = functions_.find(std::tuple(node.domain, node.op_type, node.overload));
      if (function != functions_.end()) {
        expand(node, *function->second, scope);
      } else if (is_gradient(node)) {
        differentiate(node, scope);
      } else {
        add_node(node, scope);
      }
    }
  }

  void add_node(const proto::NodeProto& source, Scope& scope) {
    if (++node_count_ > kMaxNodes)
      fail(ErrorCode::corrupt_file, "graph: more than {} nodes", kMaxNodes);
    Node node;
    node.name =
        scope.prefix +
        (source.name.empty() ? fmt::format("{}_{}", source.op_type, node_count_) : source.name);
    set_operator(node, source.domain, source.op_type, opset_of(source, scope));
    node.inputs = inputs_of(source, scope);
    node.operator_inputs = node.inputs.size();
    check_input_count(node);
    for (const proto::AttributeProto& attribute : source.attribute)
      add_attribute(node, attribute, scope);
    for (const std::string& name : source.output)
      node.outputs.push_back(name.empty() ? kAbsent : define(scope, name));
    if (node.is("Constant")) {
      if (node.outputs.size() != 1 || node.outputs[0] == kAbsent)
        fail(ErrorCode::corrupt_file, "Constant: one output expected (node \"{}\")", node.name);
      scope.graph.value(node.outputs[0]).constant = constant_of(node);
    } else {
      for (Node& whole : renewed(std::move(node), scope.graph)) {
        for (Node& part : split_fused(std::move(whole), scope.graph))
          scope.graph.nodes.push_back(std::move(part));
      }
    }
  }

  static void check_input_count(const Node& node) {
    const InputCount counts = node.is("Constant")   ? InputCount{0, 0}
                              : node.row != nullptr ? node.row->inputs
                                                    : InputCount{};
    std::size_t given = node.inputs.size();
    if (given < counts.least)
      fail(ErrorCode::corrupt_file, "{} (opset {}): {} inputs, expected at least {} (node \"{}\")",
           node.op_type, node.opset, given, counts.least, node.name);
    while (given > 0 && node.inputs[given - 1] == kAbsent) --given;
    if (given > counts.most)
      fail(ErrorCode::corrupt_file, "{} (opset {}): {} inputs, expected at most {} (node \"{}\")",
           node.op_type, node.opset, given, counts.most, node.name);
  }

  static std::vector<ValueId> inputs_of(const proto::NodeProto& source, Scope& scope) {
    std::vector<ValueId> inputs;
    for (const std::string& name : source.input) {
      const auto id = name.empty() ? kAbsent : find(scope, name);
      if (!id) {
        fail(ErrorCode::corrupt_file, "graph: nothing gives \"{}\" (input of node \"{}\")", name,
             label(source));
      }
      inputs.push_back(*id);
    }
    return inputs;
  }

  std::int64_t opset_of(const proto::NodeProto& node, const Scope& scope) const {
    for (const proto::OperatorSetId& opset : scope.opsets) {
      if (opset.domain == node.domain) return opset.version;
    }
    // Exporters leave the import of vendors' domains out.
    if (!node.domain.empty()) return 1;
    if (model_.ir_version < 3 && scope.opsets.empty()) return 1;  // there were none yet
    fail(ErrorCode::corrupt_file, "graph: no opset of domain \"{}\" (node \"{}\")", node.domain,
         label(node));
  }

  void add_attribute(Node& node, const proto::AttributeProto& source, Scope& scope) {
    if (!source.ref_attr_name.empty()) {
      if (scope.arguments == nullptr)
        fail(ErrorCode::corrupt_file, "graph: attribute \"{}\" refers to a function's \"{}\"",
             source.name, source.ref_attr_name);
      const auto argument = scope.arguments->all().find(source.ref_attr_name);
      if (argument != scope.arguments->all().end())
        node.attributes.set(source.name, argument->second);
      return;
    }
    if (!std::holds_alternative<std::monostate>(source.value))
      node.attributes.set(source.name, convert(source, scope, &node));
  }

  /// `owner` takes the captures of a subgraph; null where there can be none.
  Attribute convert(const proto::AttributeProto& source, Scope& scope, Node* owner) {
    return std::visit(
        [&](const auto& value) -> Attribute {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, std::shared_ptr<const proto::GraphProto>>) {
            if (owner == nullptr)
              fail(ErrorCode::corrupt_file, "graph: a graph as a function's default attribute");
            return subgraph(*value, scope, *owner);
          } else {
            return value;
          }
        },
        source.value);
  }

  std::shared_ptr<const Graph> subgraph(const proto::GraphProto& source, Scope& around,
                                        Node& owner) {
    auto graph = std::make_shared<Graph>();
    Scope scope{.graph = *graph,
                .opsets = around.opsets,
                .outer = &around,
                .arguments = around.arguments,
                .prefix = around.prefix,
                .call_depth = around.call_depth};
    add_graph(source, scope);
    for (const auto& [outside, inside] : scope.captured) {
      const auto first = owner.inputs.begin() + static_cast<std::ptrdiff_t>(owner.operator_inputs);
      auto place = std::find(first, owner.inputs.end(), outside);
      if (place == owner.inputs.end()) place = owner.inputs.insert(place, outside);
      graph->captures.push_back({static_cast<std::size_t>(place - owner.inputs.begin()), inside});
    }
    return graph;
  }

  void expand(const proto::NodeProto& call, const proto::FunctionProto& function, Scope& scope) {
    if (scope.call_depth == kMaxCallDepth)
      fail(ErrorCode::corrupt_file, "graph: functions nested deeper than {} (node \"{}\")",
           kMaxCallDepth, label(call));
    if (call.input.size() > function.input.size() || call.output.size() > function.output.size())
      fail(ErrorCode::corrupt_file,
           "graph: too many inputs or outputs for function \"{}\" (node \"{}\")", function.name,
           label(call));
    Attributes arguments;
    for (const proto::AttributeProto& attribute : function.attribute_proto)
      arguments.set(attribute.name, convert(attribute, scope, nullptr));
    Node argument_holder;
    for (const proto::AttributeProto& attribute : call.attribute)
      add_attribute(argument_holder, attribute, scope);
    if (!argument_holder.inputs.empty())
      fail(ErrorCode::unsupported,
           "graph: a graph that uses values around it as a function's "
           "attribute (node \"{}\")",
           label(call));
    for (const auto& [name, value] : argument_holder.attributes.all()) arguments.set(name, value);

    Scope body{
        .graph = scope.graph,
        .opsets = function.opset_import.empty() ? model_.opset_import : function.opset_import,
        .arguments = &arguments,
        .prefix = fmt::format("{}{}_{}/", scope.prefix, label(call), ++call_count_),
        .call_depth = scope.call_depth + 1};
    const std::vector<ValueId> inputs = inputs_of(call, scope);
    for (std::size_t i = 0; i < function.input.size(); ++i)
      body.names.emplace(function.input[i], i < inputs.size() ? inputs[i] : kAbsent);
    add_nodes(function.node, body);
    for (std::size_t i = 0; i < call.output.size(); ++i) {
      if (call.output[i].empty()) continue;
      const auto given = find(body, function.output[i]);
      if (!given)
        fail(ErrorCode::corrupt_file, "graph: nothing gives output \"{}\" of function \"{}\"",
             function.output[i], function.name);
      if (!scope.names.emplace(call.output[i], *given).second)
        fail(ErrorCode::corrupt_file, "graph: \"{}\" is given twice", call.output[i]);
    }
  }

  // Nodes of a gradient for a Gradient node, which names the values that it is about.
  static void differentiate(const proto::NodeProto& source, Scope& scope) {
    if (scope.outer != nullptr)
      fail(ErrorCode::unsupported, "Gradient: within a subgraph (node \"{}\")", label(source));
    Node holder;
    for (const proto::AttributeProto& attribute : source.attribute) {
      if (const auto* name = std::get_if<std::string>(&attribute.value))
        holder.attributes.set(attribute.name, *name);
      if (const auto* names = std::get_if<std::vector<std::string>>(&attribute.value))
        holder.attributes.set(attribute.name, *names);
    }
    const auto values_of = [&](const std::vector<std::string>& names) {
      std::vector<ValueId> ids;
      for (const std::string& name : names) {
        const auto id = find(scope, name);
        if (!id || *id == kAbsent)
          fail(ErrorCode::corrupt_file, "Gradient: nothing gives \"{}\" (node \"{}\")", name,
               label(source));
        ids.push_back(*id);
      }
      return ids;
    };
    using Names = std::vector<std::string>;
    const auto xs = values_of(holder.attributes.get<Names>("xs"));
    const auto zs = values_of(holder.attributes.find<Names>("zs").value_or(Names{}));
    const auto y = values_of({holder.attributes.get<std::string>("y")});
    const auto points = values_of(source.input);
    const auto gradients = add_gradient(
        scope.graph,
        {.name = scope.prefix + label(source), .y = y[0], .xs = xs, .zs = zs, .points = points},
        kMaxNodes);
    if (source.output.size() > gradients.size())
      fail(ErrorCode::corrupt_file, "Gradient: {} outputs for {} names (node \"{}\")",
           source.output.size(), gradients.size(), label(source));
    for (std::size_t i = 0; i < source.output.size(); ++i) {
      if (source.output[i].empty()) continue;
      if (!scope.names.emplace(source.output[i], gradients[i]).second)
        fail(ErrorCode::corrupt_file, "graph: \"{}\" is given twice", source.output[i]);
    }
  }

  static Value constant_of(const Node& node) {
    for (const auto& [name, attribute] : node.attributes.all()) {
      if (const auto* tensor = std::get_if<Tensor>(&attribute)) return *tensor;
      if (const auto* value = std::get_if<float>(&attribute)) return Tensor::scalar(*value);
      if (const auto* value = std::get_if<std::int64_t>(&attribute)) return Tensor::scalar(*value);
      if (const auto* value = std::get_if<std::string>(&attribute)) return Tensor::scalar(*value);
      const auto list = [](const auto& values) {
        return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
      };
      if (const auto* values = std::get_if<std::vector<float>>(&attribute)) return list(*values);
      if (const auto* values = std::get_if<std::vector<std::int64_t>>(&attribute))
        return list(*values);
      if (const auto* values = std::get_if<std::vector<std::string>>(&attribute))
        return list(*values);
    }
    fail(ErrorCode::corrupt_file, "Constant: no value (node \"{}\")", node.name);
  }

  const proto::ModelProto& model_;
  const std::set<std::string>& given_;
  std::map<std::tuple<std::string, std::string, std::string>, const proto::FunctionProto*>
      functions_;
  std::size_t node_count_ = 0;
  std::size_t call_count_ = 0;
};

}  // namespace

Graph build_graph(const io::onnx::ModelProto& model, const std::set<std::string>& given) {
  return Builder(model, given).build();
}

}  // namespace quern::onnx
