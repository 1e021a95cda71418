#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "onnx/arena.h"
#include "onnx/graph.h"
#include "onnx/kernel.h"
#include "onnx/operator.h"
#include "onnx/plan.h"

namespace quern::onnx {

/// What one run after another uses: values on their way, and memory. One run at a time.
struct RunState {
  std::vector<Value> values;
  Arena arena;
  std::shared_ptr<const Plan> plan;  ///< of the last run
  bool finite = false;               ///< whether the floats among the graph's inputs are
};

/// A graph whose nodes are bound to kernels.
///
/// Immutable but for the plans it remembers; may run in several threads, each with its own state.
class Executable final : public Subgraph {
 public:
  /// `max_plans` 0: none are made, which is for subgraphs. `max_subgraph_runs` bounds each `run`,
  /// as LoadOptions says. Throws: `unsupported`, naming every operator without a handler; what
  /// importers throw, with the node's name.
  explicit Executable(Graph graph, std::size_t max_plans = 0,
                      std::int64_t max_subgraph_runs = LoadOptions{}.max_subgraph_runs);

  const Graph& graph() const noexcept override { return graph_; }

  /// Values of the graph's outputs. `inputs` are those of the graph in order.
  std::vector<Value> run(std::span<const Value> inputs, RunState& state,
                         std::vector<NodeTiming>* profile = nullptr) const;

  /// Within a `run` of the graph around.
  std::vector<Value> run_nested(std::span<const Value> inputs,
                                const Inputs& captured) const override;

 private:
  struct Step {
    KernelPtr kernel;
    const Node* node;
    ShapesFrom shapes;
    Purity purity;
    std::vector<ValueId> last_uses;  ///< values that no later step reads
    std::uint64_t last_reads = 0;    ///< inputs that are one of these, and read once, as bits
  };

  void bind();
  void release_constants();
  void find_last_uses();
  std::uint64_t last_reads(const Step& step) const;
  void run_step(const Step& step, std::vector<Value>& values, const Plan* plan,
                bool finite = false) const;
  void run_planned(const Plan& plan, RunState& state, std::vector<NodeTiming>* profile) const;
  std::shared_ptr<const Plan> run_watched(std::span<const Value> inputs, RunState& state,
                                          std::vector<NodeTiming>* profile) const;
  std::vector<Value> collect(const RunState& state, const Plan* plan) const;
  const Value& value_of(ValueId id, const std::vector<Value>& values, const Plan* plan) const;

  Graph graph_;
  std::vector<Step> steps_;
  std::unique_ptr<PlanCache> plans_;  ///< null for a subgraph
  std::int64_t max_subgraph_runs_;
  bool asks_for_finite_ = false;  ///< whether a kernel wants to know if the inputs are
};

}  // namespace quern::onnx
