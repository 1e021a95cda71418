#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "io/onnx_proto.h"
#include "ops/step.h"
#include "quern/onnx.h"

namespace quern::onnx {

struct Graph;
struct Operator;

/// A place in Graph::values; kAbsent for an optional input or output that is not there.
using ValueId = std::int32_t;
inline constexpr ValueId kAbsent = -1;

using Attribute =
    std::variant<std::monostate, float, std::int64_t, std::string, Tensor, std::vector<float>,
                 std::vector<std::int64_t>, std::vector<std::string>, std::vector<Tensor>,
                 std::shared_ptr<const Graph>, io::onnx::TypeProto, std::vector<ops::Step>>;

/// The attributes of a node by name. Each getter throws `corrupt_file` where the attribute has
/// another type, or, without a default, where it is missing.
class Attributes {
 public:
  bool contains(std::string_view name) const { return values_.contains(name); }
  void set(std::string name, Attribute value) {
    values_.insert_or_assign(std::move(name), std::move(value));
  }
  void erase(std::string_view name);

  /// T is float, int64_t, string, Tensor, a vector of one of these, shared_ptr<const Graph>,
  /// TypeProto, or of what passes fuse vector<Step>.
  template <class T>
  const T& get(std::string_view name) const {
    const Attribute& value = find_or_fail(name);
    if (!std::holds_alternative<T>(value)) fail_type(name);
    return std::get<T>(value);
  }
  template <class T>
  std::optional<T> find(std::string_view name) const {
    return contains(name) ? std::optional<T>(get<T>(name)) : std::nullopt;
  }
  float get(std::string_view name, float fallback) const {
    return find<float>(name).value_or(fallback);
  }
  std::int64_t get(std::string_view name, std::int64_t fallback) const {
    return find<std::int64_t>(name).value_or(fallback);
  }
  std::string get(std::string_view name, const char* fallback) const {
    return find<std::string>(name).value_or(fallback);
  }
  /// Empty where missing.
  std::vector<std::int64_t> ints(std::string_view name) const {
    return find<std::vector<std::int64_t>>(name).value_or(std::vector<std::int64_t>{});
  }

  const std::map<std::string, Attribute, std::less<>>& all() const noexcept { return values_; }

 private:
  const Attribute& find_or_fail(std::string_view name) const;
  [[noreturn]] void fail_type(std::string_view name) const;

  std::map<std::string, Attribute, std::less<>> values_;
};

/// Attributes of the products that passes fuse: what is done with their results, vector<Step>; and,
/// where it is there, that what they read is finite wherever the graph's inputs are.
inline constexpr const char* kSteps = "steps";
inline constexpr const char* kFiniteSources = "finite_sources";

struct Node {
  std::string name;    ///< of the file, or made of the operator's and a number
  std::string domain;  ///< "" is ai.onnx; "quern" for what passes put in
  std::string op_type;
  std::int64_t opset = 0;         ///< version of the domain
  const Operator* row = nullptr;  ///< what is known of the operator; null where it is not known
  Attributes attributes;
  /// Those of the operator, then the values of this graph that the node's subgraphs use.
  std::vector<ValueId> inputs;
  std::size_t operator_inputs = 0;  ///< how many of `inputs` are the operator's own
  std::vector<ValueId> outputs;

  bool is(std::string_view type, std::string_view of_domain = "") const {
    return op_type == type && domain == of_domain;
  }
  ValueId input(std::size_t index) const {
    return index < operator_inputs ? inputs[index] : kAbsent;
  }
  bool has_input(std::size_t index) const { return input(index) != kAbsent; }
  bool has_output(std::size_t index) const {
    return index < outputs.size() && outputs[index] != kAbsent;
  }
};

/// What is known of a value before the graph runs.
struct GraphValue {
  std::string name;
  std::optional<DType> dtype;
  std::optional<std::vector<std::int64_t>> dims;  ///< -1 where a size is not known
  std::optional<Value> constant;
};

/// A graph in an order of execution; every value has one producer.
struct Graph {
  /// A value of the graph around, which node input `outer` of the node that owns this subgraph has.
  struct Capture {
    std::size_t outer;
    ValueId inner;
  };
  /// What a file says of an output, true or not.
  struct Declared {
    std::optional<DType> dtype;
    std::optional<std::vector<std::int64_t>> dims;  ///< -1 where a size is not known
  };

  std::string name;
  std::vector<GraphValue> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs, outputs;
  std::vector<Declared> declared_outputs;  ///< of `outputs`, where the graph is a file's
  std::vector<Capture> captures;           ///< of a subgraph

  ValueId add_value(std::string value_name) {
    values.push_back({std::move(value_name), {}, {}, {}});
    return static_cast<ValueId>(values.size()) - 1;
  }
  GraphValue& value(ValueId id) { return values[static_cast<std::size_t>(id)]; }
  const GraphValue& value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
  /// The tensor of a value that is constant; null where it is absent, not constant or no tensor.
  const Tensor* constant(ValueId id) const;
};

/// The number that a constant of one element is; nothing for others.
std::optional<double> scalar_constant(const Graph& graph, ValueId id);

}  // namespace quern::onnx
