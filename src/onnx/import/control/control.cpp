#include "onnx/import/control/scan_outputs.h"
#include "onnx/import/import.h"

namespace quern::onnx {
namespace {

std::shared_ptr<const Subgraph> subgraph(const Node& node, const ImportContext& context,
                                         std::string_view name) {
  return context.compile(*node.attributes.get<std::shared_ptr<const Graph>>(name));
}

bool truth(const Inputs& in, std::size_t index) {
  return in[index].cast(DType::boolean).item<bool>();
}

class If final : public Kernel {
 public:
  If(const Node& node, const ImportContext& context)
      : then_(subgraph(node, context, "then_branch")),
        else_(subgraph(node, context, "else_branch")) {}

  void run(const Inputs& in, Outputs& out) const override {
    const Subgraph& branch = truth(in, 0) ? *then_ : *else_;
    std::vector<Value> results = branch.run_nested({}, in);
    for (std::size_t i = 0; i < results.size(); ++i) out.set(i, std::move(results[i]));
  }

 private:
  std::shared_ptr<const Subgraph> then_, else_;
};

class Loop final : public Kernel {
 public:
  Loop(const Node& node, const ImportContext& context)
      : body_(subgraph(node, context, "body")), carried_(carried_count(node, *body_)) {}

  void run(const Inputs& in, Outputs& out) const override {
    const std::int64_t trips = in.has(0) ? in[0].cast(DType::i64).item<std::int64_t>() : -1;
    bool keep_going = !in.has(1) || truth(in, 1);
    std::vector<Value> carried;
    for (std::size_t i = 0; i < carried_; ++i) carried.push_back(in.value(i + 2));
    std::vector<std::vector<Tensor>> scanned(body_->graph().outputs.size() - 1 - carried_);
    for (std::int64_t trip = 0; keep_going && (trips < 0 || trip < trips); ++trip) {
      std::vector<Value> arguments{Tensor::scalar(trip), Tensor::scalar(keep_going)};
      arguments.insert(arguments.end(), carried.begin(), carried.end());
      std::vector<Value> results = body_->run_nested(arguments, in);
      keep_going = results[0].tensor().cast(DType::boolean).item<bool>();
      for (std::size_t i = 0; i < carried_; ++i) carried[i] = std::move(results[i + 1]);
      for (std::size_t i = 0; i < scanned.size(); ++i)
        scanned[i].push_back(results[i + 1 + carried_].tensor());
    }
    if (!scanned.empty() && scanned[0].empty()) {
      std::vector<Value> arguments{Tensor::scalar(std::int64_t{0}), Tensor::scalar(true)};
      arguments.insert(arguments.end(), carried.begin(), carried.end());
      auto stacks = stack_of_nothing(*body_, 1 + carried_, arguments, in);
      for (std::size_t i = 0; i < stacks.size(); ++i) out.set(carried_ + i, std::move(stacks[i]));
    } else {
      for (std::size_t i = 0; i < scanned.size(); ++i)
        out.set(carried_ + i, stack_iterations(scanned[i]));
    }
    for (std::size_t i = 0; i < carried_; ++i) out.set(i, std::move(carried[i]));
  }

 private:
  static std::size_t carried_count(const Node& node, const Subgraph& body) {
    const std::size_t carried = node.operator_inputs > 2 ? node.operator_inputs - 2 : 0;
    const Graph& graph = body.graph();
    if (graph.inputs.size() != carried + 2 || graph.outputs.size() < carried + 1) {
      fail(ErrorCode::corrupt_file, "Loop: {} carried values, and a body of {} inputs, {} outputs",
           carried, graph.inputs.size(), graph.outputs.size());
    }
    return carried;
  }

  std::shared_ptr<const Subgraph> body_;
  std::size_t carried_;
};

// clang-format off
constexpr Operator kControlOperators[] = {
    {.op_type = "If", .inputs = {1, 1}, .import = make<If>},
    {.op_type = "Loop", .inputs = {3, kAnyNumber}, .import = make<Loop>},
    {.op_type = "Loop", .since = 11, .inputs = {2, kAnyNumber}, .import = make<Loop>},
};
// clang-format on

}  // namespace

OperatorTable control_operators() { return kControlOperators; }

}  // namespace quern::onnx
