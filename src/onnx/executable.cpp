#include "onnx/executable.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <utility>

#include "core/buffer.h"
#include "onnx/layout.h"
#include "onnx/passes/pass.h"
#include "ops/nan.h"

namespace quern::onnx {
namespace {

// Larger values of a plan are computed in each run, not kept.
constexpr std::int64_t kKeptBytes = 1 << 20;

// What is left to this thread's run; loops and branches of any depth draw on it.
thread_local std::int64_t subgraph_runs_left = 0;

class SubgraphRuns {
 public:
  explicit SubgraphRuns(std::int64_t most) : before_(std::exchange(subgraph_runs_left, most)) {}
  ~SubgraphRuns() { subgraph_runs_left = before_; }
  SubgraphRuns(const SubgraphRuns&) = delete;
  SubgraphRuns& operator=(const SubgraphRuns&) = delete;

 private:
  std::int64_t before_;
};

std::string label(const Node& node) {
  const std::string domain = node.domain.empty() ? "" : node.domain + "::";
  return fmt::format("node \"{}\", {}{}", node.name, domain, node.op_type);
}

[[noreturn]] void rethrow(const Error& error, const Node& node) {
  throw Error(error.code(), fmt::format("{} ({})", error.what(), label(node)));
}

class Stopwatch {
 public:
  explicit Stopwatch(std::vector<NodeTiming>* rows) : rows_(rows) {}
  double now() const {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start_)
        .count();
  }
  void add(const Node& node, double start) const {
    if (rows_ != nullptr) rows_->push_back({node.name, node.op_type, start, now() - start});
  }

 private:
  std::vector<NodeTiming>* rows_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

bool is_small(const Value& value) {
  return value.is_tensor() &&
         value.tensor().numel() * static_cast<std::int64_t>(size_of(value.tensor().dtype())) <=
             kKeptBytes;
}

/// Moves a node's outputs into the plan, for later runs to find; false where they are too large.
bool keep_outputs(const Node& node, std::vector<Value>& values, Plan& plan) {
  const auto is_kept = [&](ValueId id) {
    return id == kAbsent || is_small(values[static_cast<std::size_t>(id)]);
  };
  if (!std::ranges::all_of(node.outputs, is_kept)) return false;
  for (const ValueId id : node.outputs) {
    if (id == kAbsent) continue;
    Value& value = values[static_cast<std::size_t>(id)];
    plan.constants.add(id, value.tensor().clone());
    value = Value();
  }
  return true;
}

/// A value that does not lie in the arena, sharing or copying the one given.
Value outside(const Value& value, const Arena& arena) {
  switch (value.kind()) {
    case ValueKind::tensor: {
      const Tensor& tensor = value.tensor();
      return arena.owns(tensor.raw()) ? Value(tensor.clone()) : Value(tensor.contiguous());
    }
    case ValueKind::sequence: {
      std::vector<Value> items;
      for (const Value& item : value.items()) items.push_back(outside(item, arena));
      return Value::sequence(std::move(items));
    }
    default:
      return value;
  }
}

/// Whether a graph's input holds neither NaN nor infinity, as far as that is quickly told.
bool is_finite(const Value& value) {
  if (value.is_none()) return true;
  if (!value.is_tensor()) return false;
  const DType dtype = value.tensor().dtype();
  if (dtype == DType::f32 || dtype == DType::bf16) return ops::is_finite(value.tensor());
  return !is_floating(dtype) && dtype != DType::string;
}

/// What a watched run learns of each value: whether its shape, and whether all of it, will be the
/// same in every run with these input shapes.
class Knowledge {
 public:
  explicit Knowledge(const Graph& graph)
      : fixed_shape_(graph.values.size(), false), fixed_(graph.values.size(), false) {
    for (std::size_t i = 0; i < graph.values.size(); ++i)
      fixed_shape_[i] = fixed_[i] = graph.values[i].constant.has_value();
    for (const ValueId id : graph.inputs) fixed_shape_[static_cast<std::size_t>(id)] = true;
  }

  /// Learns of a node's outputs; true where they are the same in every run.
  bool learn(const Node& node, ShapesFrom shapes, Purity purity) {
    const bool shapes_fixed = all(node.inputs, fixed_shape_);
    const bool fixed = purity == Purity::shape_only      ? shapes_fixed
                       : purity == Purity::deterministic ? all(node.inputs, fixed_)
                                                         : false;
    const std::span<const ValueId> rest =
        std::span(node.inputs).subspan(std::min<std::size_t>(1, node.inputs.size()));
    const bool output_shapes_fixed =
        fixed || (shapes_fixed && shapes == ShapesFrom::input_shapes) ||
        (shapes_fixed && shapes == ShapesFrom::input_constants && all(rest, fixed_));
    for (const ValueId id : node.outputs) {
      if (id == kAbsent) continue;
      fixed_shape_[static_cast<std::size_t>(id)] = output_shapes_fixed;
      fixed_[static_cast<std::size_t>(id)] = fixed;
    }
    return fixed;
  }

  void doubt(const Node& node) {
    for (const ValueId id : node.outputs) {
      if (id != kAbsent) fixed_[static_cast<std::size_t>(id)] = false;
    }
  }

 private:
  static bool all(std::span<const ValueId> ids, const std::vector<bool>& flags) {
    return std::ranges::all_of(
        ids, [&](ValueId id) { return id == kAbsent || flags[static_cast<std::size_t>(id)]; });
  }

  std::vector<bool> fixed_shape_, fixed_;
};

}  // namespace

Executable::Executable(Graph graph, std::size_t max_plans, std::int64_t max_subgraph_runs)
    : graph_(std::move(graph)), max_subgraph_runs_(max_subgraph_runs) {
  if (max_plans > 0) plans_ = std::make_unique<PlanCache>(max_plans);
  bind();
  release_constants();
  find_last_uses();
}

/// Lets go of the elements of constants that only kernels had a use for, when they were made.
void Executable::release_constants() {
  std::vector<bool> read(graph_.values.size(), false);
  const auto note = [&](ValueId id) {
    if (id != kAbsent) read[static_cast<std::size_t>(id)] = true;
  };
  std::ranges::for_each(graph_.outputs, note);
  for (const Step& step : steps_) {
    for (std::size_t i = 0; i < step.node->inputs.size(); ++i) {
      if (step.kernel->reads(i)) note(step.node->inputs[i]);
    }
  }
  for (std::size_t i = 0; i < graph_.values.size(); ++i) {
    if (graph_.values[i].constant && !read[i]) graph_.values[i].constant = Value();
  }
}

void Executable::bind() {
  std::map<std::string, std::string> unknown;  // operator: where it is first
  std::size_t unknown_nodes = 0;
  for (const Node& node : graph_.nodes) {
    if (node.row != nullptr) continue;
    ++unknown_nodes;
    unknown.emplace(fmt::format("{}::{} (opset {})", node.domain.empty() ? "ai.onnx" : node.domain,
                                node.op_type, node.opset),
                    node.name);
  }
  if (!unknown.empty()) {
    constexpr std::size_t kShown = 5;
    std::string names;
    std::size_t shown = 0;
    for (const auto& [name, where] : unknown) {
      if (shown++ == kShown) break;
      names += (names.empty() ? "" : ", ") + name + " at node " + where;
    }
    fail(ErrorCode::unsupported, "operator {}{} has no handler; {} of {} nodes", names,
         unknown.size() > kShown ? ", ..." : "", unknown_nodes, graph_.nodes.size());
  }
  const ImportContext context{
      graph_, [](const Graph& subgraph) { return std::make_shared<const Executable>(subgraph); }};
  for (const Node& node : graph_.nodes) {
    try {
      KernelPtr kernel = node.row->import(node, context);
      asks_for_finite_ |= node.attributes.contains(kFiniteSources);
      if (is_elementwise(node)) kernel = keep_layout(std::move(kernel));
      steps_.push_back({std::move(kernel), &node, node.row->mapping.shapes, purity_of(node), {}});
    } catch (const Error& error) {
      rethrow(error, node);
    }
  }
}

void Executable::find_last_uses() {
  std::vector<bool> used(graph_.values.size(), false);
  for (const ValueId id : graph_.outputs) {
    if (id != kAbsent) used[static_cast<std::size_t>(id)] = true;
  }
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    const auto note = [&](ValueId id) {
      if (id == kAbsent || used[static_cast<std::size_t>(id)]) return;
      used[static_cast<std::size_t>(id)] = true;
      step->last_uses.push_back(id);
    };
    std::ranges::for_each(step->node->inputs, note);
    std::ranges::for_each(step->node->outputs, note);
    step->last_reads = last_reads(*step);
  }
}

std::uint64_t Executable::last_reads(const Step& step) const {
  constexpr std::size_t kBits = 64;
  const std::vector<ValueId>& inputs = step.node->inputs;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < std::min(inputs.size(), kBits); ++i) {
    const bool is_last = std::ranges::count(step.last_uses, inputs[i]) > 0 &&
                         std::ranges::count(graph_.inputs, inputs[i]) == 0;
    if (is_last && std::ranges::count(inputs, inputs[i]) == 1) bits |= std::uint64_t{1} << i;
  }
  return bits;
}

const Value& Executable::value_of(ValueId id, const std::vector<Value>& values,
                                  const Plan* plan) const {
  static const Value none;
  if (id == kAbsent) return none;
  const auto place = static_cast<std::size_t>(id);
  if (graph_.values[place].constant) return *graph_.values[place].constant;
  const Value* kept = plan != nullptr ? plan->constants.find(id) : nullptr;
  return kept != nullptr ? *kept : values[place];
}

void Executable::run_step(const Step& step, std::vector<Value>& values, const Plan* plan,
                          bool finite) const {
  constexpr std::size_t kFew = 16;
  const Node& node = *step.node;
  std::array<const Value*, kFew> few_inputs;
  std::array<Value, kFew> few_outputs;
  std::vector<const Value*> many_inputs(node.inputs.size() > kFew ? node.inputs.size() : 0);
  std::vector<Value> many_outputs(node.outputs.size() > kFew ? node.outputs.size() : 0);
  const auto inputs = many_inputs.empty() ? std::span(few_inputs).first(node.inputs.size())
                                          : std::span(many_inputs);
  const auto outputs = many_outputs.empty() ? std::span(few_outputs).first(node.outputs.size())
                                            : std::span(many_outputs);
  std::uint64_t last_reads = step.last_reads;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    inputs[i] = &value_of(node.inputs[i], values, plan);
    const bool is_kept = inputs[i] != values.data() + node.inputs[i];  // by the graph or the plan
    if (is_kept && i < 64) last_reads &= ~(std::uint64_t{1} << i);
  }
  try {
    Outputs results(outputs);
    step.kernel->run(Inputs(inputs, last_reads, finite), results);
  } catch (const Error& error) {
    rethrow(error, node);
  }
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kAbsent)
      values[static_cast<std::size_t>(node.outputs[i])] = std::move(outputs[i]);
  }
  for (const ValueId id : step.last_uses) values[static_cast<std::size_t>(id)] = Value();
}

std::vector<Value> Executable::run(std::span<const Value> inputs, RunState& state,
                                   std::vector<NodeTiming>* profile) const {
  const SubgraphRuns budget(max_subgraph_runs_);
  state.values.resize(graph_.values.size());
  struct Clear {
    std::vector<Value>& values;
    ~Clear() { std::ranges::fill(values, Value()); }
  } clear{state.values};
  for (std::size_t i = 0; i < inputs.size(); ++i)
    state.values[static_cast<std::size_t>(graph_.inputs[i])] = inputs[i];

  state.finite = asks_for_finite_ && std::ranges::all_of(inputs, is_finite);
  const std::string signature = signature_of(inputs);
  if (!state.plan || state.plan->signature != signature) state.plan = plans_->find(signature);
  if (state.plan) {
    run_planned(*state.plan, state, profile);
    return collect(state, state.plan.get());
  }
  state.plan = run_watched(inputs, state, profile);
  plans_->add(state.plan);
  return collect(state, state.plan.get());
}

std::vector<Value> Executable::collect(const RunState& state, const Plan* plan) const {
  std::vector<Value> outputs;
  outputs.reserve(graph_.outputs.size());
  for (const ValueId id : graph_.outputs)
    outputs.push_back(outside(value_of(id, state.values, plan), state.arena));
  return outputs;
}

void Executable::run_planned(const Plan& plan, RunState& state,
                             std::vector<NodeTiming>* profile) const {
  const Stopwatch clock(profile);
  state.arena.begin(plan.layout);
  const BufferScope scope(&state.arena);
  for (const std::int32_t place : plan.steps) {
    const Step& step = steps_[static_cast<std::size_t>(place)];
    const double start = profile != nullptr ? clock.now() : 0;
    state.arena.begin_step(static_cast<std::size_t>(place));
    run_step(step, state.values, &plan, state.finite);
    clock.add(*step.node, start);
  }
}

std::shared_ptr<const Plan> Executable::run_watched(std::span<const Value> inputs, RunState& state,
                                                    std::vector<NodeTiming>* profile) const {
  const Stopwatch clock(profile);
  auto plan = std::make_shared<Plan>(
      Plan{signature_of(inputs), SomeValues(graph_.values.size()), {}, {}, {}});
  Knowledge knowledge(graph_);
  BufferRecorder recorder;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const double start = profile != nullptr ? clock.now() : 0;
    recorder.begin_step();
    {
      const BufferScope scope(&recorder);
      run_step(step, state.values, plan.get(), state.finite);
    }
    if (knowledge.learn(*step.node, step.shapes, step.purity) &&
        keep_outputs(*step.node, state.values, *plan)) {
      recorder.forget_step();
    } else {
      knowledge.doubt(*step.node);
      plan->steps.push_back(static_cast<std::int32_t>(i));
    }
    clock.add(*step.node, start);
  }
  plan->layout = recorder.layout();
  plan->steps.shrink_to_fit();
  plan->counted =
      CountedBytes(plan->layout.own_bytes() + plan->constants.own_bytes() +
                   plan->steps.capacity() * sizeof(std::int32_t) + plan->signature.capacity());
  return plan;
}

std::vector<Value> Executable::run_nested(std::span<const Value> inputs,
                                          const Inputs& captured) const {
  require(inputs.size() == graph_.inputs.size(), "subgraph \"{}\": {} inputs, expected {}",
          graph_.name, inputs.size(), graph_.inputs.size());
  if (subgraph_runs_left-- <= 0) {
    fail(ErrorCode::unsupported,
         "subgraph \"{}\": the run has taken all the loop iterations and branches that it may "
         "(LoadOptions::max_subgraph_runs)",
         graph_.name);
  }
  std::vector<Value> values(graph_.values.size());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    values[static_cast<std::size_t>(graph_.inputs[i])] = inputs[i];
  for (const Graph::Capture& capture : graph_.captures)
    values[static_cast<std::size_t>(capture.inner)] = captured.value(capture.outer);
  for (const Step& step : steps_) run_step(step, values, nullptr);
  std::vector<Value> outputs;
  for (const ValueId id : graph_.outputs) outputs.push_back(value_of(id, values, nullptr));
  return outputs;
}

}  // namespace quern::onnx
