#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "fuzz/run_onnx.h"
#include "fuzz/targets.h"
#include "onnx/executable.h"
#include "onnx/import/import.h"
#include "onnx/passes/pass.h"

namespace quern::fuzz {
namespace {

using namespace quern::onnx;

constexpr const char* kAttributes[] = {"alpha",
                                       "allowzero",
                                       "axes",
                                       "axis",
                                       "auto_pad",
                                       "batch_axis",
                                       "batch_dims",
                                       "beta",
                                       "blocksize",
                                       "bias",
                                       "block_size",
                                       "ceil_mode",
                                       "count_include_pad",
                                       "delimiter",
                                       "dilations",
                                       "direction",
                                       "dtype",
                                       "epsilon",
                                       "equation",
                                       "exclusive",
                                       "fmod",
                                       "group",
                                       "hidden_size",
                                       "is_causal",
                                       "k",
                                       "keepdims",
                                       "kernel_shape",
                                       "kv_num_heads",
                                       "largest",
                                       "layout",
                                       "low",
                                       "high",
                                       "max_gram_length",
                                       "min_gram_length",
                                       "max_skip_count",
                                       "maxsplit",
                                       "mode",
                                       "num_heads",
                                       "num_groups",
                                       "num_outputs",
                                       "onesided",
                                       "output_padding",
                                       "output_shape",
                                       "p",
                                       "pads",
                                       "perm",
                                       "pooled_shape",
                                       "q_num_heads",
                                       "reduction",
                                       "reverse",
                                       "sampling_ratio",
                                       "saturate",
                                       "scale",
                                       "select_last_index",
                                       "shape",
                                       "size",
                                       "sorted",
                                       "spatial_scale",
                                       "split",
                                       "starts",
                                       "ends",
                                       "stash_type",
                                       "storage_order",
                                       "strides",
                                       "time_axis",
                                       "to",
                                       "transA",
                                       "transB",
                                       "transpose_a",
                                       "upper",
                                       "value",
                                       "values"};
constexpr const char* kWords[] = {
    "",          "constant",     "edge", "reflect", "linear",  "nearest", "cubic",      "add",
    "mul",       "max",          "none", "mean",    "forward", "reverse", "SAME_UPPER", "VALID",
    "ij,jk->ik", "...ij->...ji", "TF",   "IDF",     "DCR",     "avg"};
constexpr DType kTypes[] = {DType::f32, DType::i64, DType::f32, DType::i32, DType::boolean,
                            DType::u8,  DType::i8,  DType::f16, DType::f64, DType::bf16};

/// What the fuzzer decides, a byte at a time; zeros past the end.
class Choices {
 public:
  explicit Choices(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool is_over() const { return at_ >= bytes_.size(); }
  unsigned next() { return is_over() ? 0 : static_cast<unsigned>(bytes_[at_++]); }
  unsigned below(std::size_t count) { return next() % static_cast<unsigned>(count); }
  /// Mostly small, sometimes negative, rarely huge.
  std::int64_t number() {
    const unsigned byte = next();
    if (byte == 255) return INT64_MAX - below(3);
    if (byte == 254) return INT64_MIN + below(3);
    if (byte == 253) return std::int64_t{1} << below(63);
    return byte < 200 ? byte % 8 : -static_cast<std::int64_t>(byte % 5);
  }
  std::vector<std::int64_t> numbers() {
    std::vector<std::int64_t> list(below(7));
    for (std::int64_t& value : list) value = number();
    return list;
  }
  Tensor tensor() {
    Shape shape;
    for (unsigned rank = below(5); rank > 0; --rank) shape.push_back(below(5));
    const DType dtype = kTypes[below(std::size(kTypes))];
    Tensor values = Tensor::empty(shape, DType::f64);
    for (double& value : values.mutable_data<double>())
      value = static_cast<double>(static_cast<int>(next() % 12) - 3);
    return values.cast(dtype);
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

void add_attributes(Node& node, Choices& choices) {
  for (unsigned left = choices.below(6); left > 0; --left) {
    const std::string name = kAttributes[choices.below(std::size(kAttributes))];
    const unsigned kind = choices.below(8);
    if (kind < 3) {
      node.attributes.set(name, choices.number());
    } else if (kind < 5) {
      node.attributes.set(name, choices.numbers());
    } else if (kind == 5) {
      node.attributes.set(name, std::string(kWords[choices.below(std::size(kWords))]));
    } else if (kind == 6) {
      node.attributes.set(name, static_cast<float>(choices.number()));
    } else {
      node.attributes.set(name, choices.tensor());
    }
  }
}

ValueId add_constant(Graph& graph, Choices& choices) {
  const ValueId id = graph.add_value("c" + std::to_string(graph.values.size()));
  graph.value(id).constant = choices.tensor();
  return id;
}

/// Those of the domain "quern" are made by passes, which their importers trust.
std::vector<const Operator*> operators_of_files() {
  std::vector<const Operator*> operators = all_operators();
  std::erase_if(operators, [](const Operator* op) { return op->domain == "quern"; });
  return operators;
}

Node make_node(Graph& graph, Choices& choices, std::vector<ValueId>& known) {
  static const std::vector<const Operator*> operators = operators_of_files();
  const unsigned place = choices.next() * 256 + choices.next();
  const Operator& op = *operators[place % operators.size()];
  Node node;
  node.name = "n" + std::to_string(graph.nodes.size());
  set_operator(node, op.domain, op.op_type, op.since);
  for (unsigned left = choices.below(7); left > 0; --left) {
    const unsigned pick = choices.next();
    if (pick < 100) {
      node.inputs.push_back(
          known[known.size() - 1 - pick % std::min<std::size_t>(known.size(), 5)]);
    } else if (pick < 240) {
      node.inputs.push_back(add_constant(graph, choices));
    } else {
      node.inputs.push_back(kAbsent);
    }
  }
  node.inputs.resize(std::min(node.inputs.size(), op.inputs.most));
  node.operator_inputs = node.inputs.size();
  add_attributes(node, choices);
  for (unsigned left = 1 + choices.below(3); left > 0; --left) {
    node.outputs.push_back(graph.add_value(node.name + "/" + std::to_string(left)));
    known.push_back(node.outputs.back());
  }
  return node;
}

/// A graph of nodes that ran, one after another, on the values that those before them gave.
class Growing {
 public:
  Growing(Choices& choices, const Tensor& input) : choices_(choices) {
    for (const char* name : {"x", "y"}) {
      known_.push_back(graph_.add_value(name));
      graph_.inputs.push_back(known_.back());
      graph_.value(known_.back()).dtype = input.dtype();
      graph_.value(known_.back()).dims.emplace(input.shape().begin(), input.shape().end());
      values_[known_.back()] = input;
    }
  }

  Graph grow() {
    constexpr std::size_t kMostNodes = 8;
    constexpr int kMostTries = 64;
    for (int i = 0; i < kMostTries && !choices_.is_over() && graph_.nodes.size() < kMostNodes; ++i)
      try_node();
    graph_.outputs.assign(known_.end() - std::min<std::ptrdiff_t>(std::ssize(known_), 3),
                          known_.end());
    return std::move(graph_);
  }

 private:
  void try_node() {
    const std::size_t before = known_.size();
    Node node = make_node(graph_, choices_, known_);
    try {
      run(node);
      graph_.nodes.push_back(std::move(node));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::internal) throw;
      known_.resize(before);
    }
  }

  void run(const Node& node) {
    const KernelPtr kernel = node.row->import(node, {graph_, {}});
    const Value none;
    std::vector<const Value*> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kAbsent) {
        inputs.push_back(&none);
      } else if (graph_.value(id).constant) {
        inputs.push_back(&*graph_.value(id).constant);
      } else {
        inputs.push_back(&values_.at(id));
      }
    }
    std::vector<Value> results(node.outputs.size());
    Outputs outputs(results);
    kernel->run(Inputs(inputs), outputs);
    for (std::size_t i = 0; i < results.size(); ++i)
      values_[node.outputs[i]] = std::move(results[i]);
  }

  Choices& choices_;
  Graph graph_;
  std::vector<ValueId> known_;
  std::map<ValueId, Value> values_;
};

/// Aborts where an output has another shape than was inferred.
void check_dims(const Graph& graph, std::span<const Value> outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& dims = graph.value(graph.outputs[i]).dims;
    if (!dims || !outputs[i].is_tensor()) continue;
    const Shape& shape = outputs[i].tensor().shape();
    const bool fits = std::ranges::equal(*dims, shape, [](std::int64_t inferred, std::int64_t got) {
      return inferred < 0 || inferred == got;
    });
    if (fits) continue;
    std::string inferred;
    for (const std::int64_t dim : *dims) inferred += std::to_string(dim) + " ";
    std::fprintf(stderr, "output %zu is %s, inferred: %s\n", i, to_string(shape).c_str(),
                 inferred.c_str());
    for (const Node& node : graph.nodes) {
      std::fprintf(stderr, "%s(", node.op_type.c_str());
      for (const ValueId id : node.inputs) std::fprintf(stderr, " %d", static_cast<int>(id));
      std::fprintf(stderr, " ) ->");
      for (const ValueId id : node.outputs) std::fprintf(stderr, " %d", static_cast<int>(id));
      std::fprintf(stderr, "%s\n",
                   std::ranges::count(node.outputs, graph.outputs[i]) > 0 ? ", this output" : "");
    }
    std::abort();
  }
}

}  // namespace

void graph(std::span<const std::byte> bytes) {
  allow_errors([&] {
    Choices choices(bytes);
    const bool rewrites = choices.next() % 2 == 0;
    const Tensor input = choices.tensor();
    Graph made = Growing(choices, input).grow();
    if (rewrites) optimise(made);
    const Executable executable(std::move(made), 2, 100);
    RunState state;
    const std::vector<Value> inputs{input, input};
    for (int round = 0; round < 2; ++round)
      check_dims(executable.graph(), executable.run(inputs, state));
  });
}

}  // namespace quern::fuzz
