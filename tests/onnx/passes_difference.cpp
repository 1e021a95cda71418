#include "onnx/passes_difference.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "onnx/executable.h"
#include "onnx/growing_graph.h"
#include "onnx/passes/pass.h"

namespace quern::random_graphs {

using namespace quern::onnx;

namespace {

struct Tolerance {
  double absolute, relative;
  bool underflows = false;  // then an infinity may be NaN and NaN infinite
};

void print(std::ostream& out, const Graph& graph) {
  const auto name = [&](ValueId id) {
    std::string text = id == kAbsent ? "-" : "%" + std::to_string(id);
    if (const Tensor* constant = graph.constant(id)) text += ":c" + to_string(constant->shape());
    return text;
  };
  for (const ValueId id : graph.inputs) {
    out << "  input " << name(id);
    if (graph.value(id).dims) out << to_string(Shape(*graph.value(id).dims));
    out << "\n";
  }
  for (const Node& node : graph.nodes) {
    out << "  " << node.domain << (node.domain.empty() ? "" : "::") << node.op_type << "(";
    for (const ValueId id : node.inputs) out << " " << name(id);
    out << " ) ->";
    for (const ValueId id : node.outputs) out << " " << name(id);
    for (const auto& [key, value] : node.attributes.all()) {
      out << " " << key << "=";
      if (const auto* number = std::get_if<std::int64_t>(&value)) out << *number;
      if (const auto* number = std::get_if<float>(&value)) out << *number;
      if (const auto* text = std::get_if<std::string>(&value)) out << *text;
      if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value))
        for (const std::int64_t each : *list) out << each << ",";
      if (const auto* list = std::get_if<std::vector<std::string>>(&value))
        for (const std::string& each : *list) out << each << ",";
    }
    out << "\n";
  }
  out << "  outputs";
  for (const ValueId id : graph.outputs) out << " " << name(id);
  out << "\n";
}

/// What is finite, and its size at most.
double largest(const std::map<ValueId, Tensor>& values) {
  double most = 1;
  for (const auto& [id, value] : values) {
    if (value.dtype() != DType::f32) continue;
    for (const float element : value.data<float>()) {
      if (std::isfinite(element)) most = std::max(most, std::abs(static_cast<double>(element)));
    }
  }
  return most;
}

bool agrees(double want, double got, const Tolerance& tolerance) {
  if (tolerance.underflows && !std::isfinite(want) && !std::isfinite(got) &&
      std::isnan(want) != std::isnan(got))
    return true;
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got);
  if (std::isinf(want) || std::isinf(got)) return want == got;
  return std::abs(want - got) <= tolerance.absolute + tolerance.relative * std::abs(want);
}

std::string difference(const Tensor& want, const Tensor& got, const Tolerance& tolerance) {
  if (want.shape() != got.shape())
    return "shape " + to_string(got.shape()) + ", expected " + to_string(want.shape());
  if (want.dtype() != got.dtype())
    return std::string("dtype ") + std::string(to_string(got.dtype())) + ", expected " +
           std::string(to_string(want.dtype()));
  const Tensor wants = want.cast(DType::f64).contiguous();
  const Tensor gots = got.cast(DType::f64).contiguous();
  const bool is_exact =
      !is_floating(want.dtype()) && want.dtype() != DType::i8 && want.dtype() != DType::u8;
  const Tolerance allowed = is_exact                    ? Tolerance{0, 0}
                            : is_floating(want.dtype()) ? tolerance
                                                        : Tolerance{1, 0};
  for (std::size_t i = 0; i < wants.data<double>().size(); ++i) {
    const double a = wants.data<double>()[i];
    const double b = gots.data<double>()[i];
    if (agrees(a, b, allowed)) continue;
    std::ostringstream text;
    text << "element " << i << " of " << to_string(want.shape()) << " is " << b << ", expected "
         << a;
    return text.str();
  }
  return {};
}

struct Case {
  std::vector<Value> inputs;
  std::vector<Tensor> wanted;
  Tolerance tolerance;
};

/// What differs in runs of a graph, each case twice: the second time by a plan.
std::string run_and_compare(const Graph& graph, const std::vector<Case>& cases) {
  try {
    const Executable executable(graph, 4);
    RunState state;
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < cases.size(); ++i) {
        const std::vector<Value> results = executable.run(cases[i].inputs, state);
        for (std::size_t k = 0; k < results.size(); ++k) {
          const std::string wrong =
              difference(cases[i].wanted[k], results[k].tensor(), cases[i].tolerance);
          if (wrong.empty()) continue;
          return "round " + std::to_string(round) + ", inputs " + std::to_string(i) + ", output " +
                 std::to_string(k) + ": " + wrong;
        }
      }
    }
  } catch (const Error& error) {
    return std::string("throws ") + error.what();
  }
  return {};
}

std::string first_wrong_pass(Graph graph, const std::vector<Case>& cases) {
  if (!run_and_compare(graph, cases).empty()) return "no pass: the executable";
  for (int round = 0; round < 4; ++round) {
    for (const Pass& pass : passes()) {
      pass.run(graph);
      if (!run_and_compare(graph, cases).empty()) return std::string(pass.name);
    }
  }
  return "all passes together";
}

/// The values that a run gives: the last ones, and some on the way.
void choose_outputs(GrowingGraph& growing) {
  Graph& graph = growing.maker.graph;
  const int more = growing.dice.one_of({0, 0, 10, 30});
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const bool is_last = i + 1 == graph.nodes.size();
    for (const ValueId id : graph.nodes[i].outputs) {
      const bool is_read = std::ranges::any_of(
          graph.nodes, [&](const Node& node) { return std::ranges::count(node.inputs, id) > 0; });
      if (is_last || !is_read || growing.dice.chance(more)) graph.outputs.push_back(id);
    }
  }
}

}  // namespace

std::string passes_difference(std::uint64_t seed) {
  GrowingGraph growing(seed);
  growing.has_ends = growing.dice.chance(30);
  for (std::int64_t left = growing.dice.one_of({1, 1, 2, 3}); left > 0; --left) {
    try {
      grow(growing);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::internal) return std::string("internal: ") + error.what();
    }
  }
  choose_outputs(growing);
  const Graph& graph = growing.maker.graph;
  std::vector<Case> cases;
  std::vector<Value> inputs;
  for (const ValueId id : graph.inputs) inputs.emplace_back(growing.value(id));
  for (int i = 0; i < 2; ++i) {
    std::map<ValueId, Tensor> values;
    try {
      std::vector<Tensor> wanted = run_plainly(graph, inputs, values);
      const Tolerance tolerance{growing.absolute * largest(values) + growing.step, growing.relative,
                                growing.underflows};
      cases.push_back({inputs, std::move(wanted), tolerance});
    } catch (const Error&) {
      break;
    }
    growing.has_ends = growing.dice.chance(50);
    inputs = growing.other_inputs();
  }
  Graph optimised = graph;
  optimise(optimised);
  const std::string wrong = run_and_compare(optimised, cases);
  if (wrong.empty()) return {};
  std::ostringstream text;
  text << "seed " << seed << ": " << wrong << "\nby " << first_wrong_pass(graph, cases)
       << "\nbefore:\n";
  print(text, graph);
  text << "after:\n";
  print(text, optimised);
  return text.str();
}

}  // namespace quern::random_graphs
