#include "onnx/training/gradient_rules.h"

#include <fmt/ranges.h>

#include <set>

#include "core/error.h"
#include "core/format.h"

namespace quern::onnx {
namespace {

constexpr std::int64_t kOpset = 18;  // of the nodes made here

[[noreturn]] void refuse(const Node& node, const char* why) {
  fail(ErrorCode::unsupported, "Gradient: {} {} (node \"{}\")", node.op_type, why, node.name);
}

/// The gradient of a sum over axes: dy where the axes were.
ValueId spread(const GradientPlace& at) {
  if (at.flag("noop_with_empty_axes", 0) != 0) refuse(at.node, "with noop_with_empty_axes");
  const auto axes = at.node.attributes.ints("axes");
  ValueId dy = at.dy;
  if (at.flag("keepdims", 1) == 0 && (!axes.empty() || at.node.has_input(1))) {
    const ValueId along =
        axes.empty()
            ? at.in(1)
            : at.pass.constant(Tensor::from(axes, {static_cast<std::int64_t>(axes.size())}));
    dy = at.op("Unsqueeze", {dy, along});
  }
  return at.op("Expand", {dy, at.op("Shape", {at.in(0)})});
}

/// The sum over a softmax's axis, which stays.
ValueId sum_along_axis(const GradientPlace& at, ValueId x) {
  if (at.node.opset < 13) refuse(at.node, "of an opset before 13");
  const std::int64_t axis = at.flag("axis", -1);
  return at.op("ReduceSum", {x, at.pass.constant(Tensor::from(std::vector{axis}, {1}))});
}

std::string known_operators() {
  std::set<std::string> names;
  for (const Operator* each : all_operators()) {
    if (each->gradient != nullptr) names.insert(std::string(each->op_type));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

namespace gradients {

void abs(const GradientPlace& at) { at.give(0, at.mul(at.dy, at.op("Sign", {at.in(0)}))); }

void sum_of_two(const GradientPlace& at) {
  at.give(0, at.dy);
  at.give(1, at.dy);
}

void cast(const GradientPlace& at) { at.give(0, at.op("CastLike", {at.dy, at.in(0)})); }

void div(const GradientPlace& at) {
  const ValueId da = at.op("Div", {at.dy, at.in(1)});
  at.give(0, da);
  at.give(1, at.op("Neg", {at.mul(da, at.y)}));
}

void exp(const GradientPlace& at) { at.give(0, at.mul(at.dy, at.y)); }

void reshape(const GradientPlace& at) {
  at.give(0,
          at.op("Reshape", {at.dy, at.op("Shape", {at.in(0)})}, {{"allowzero", std::int64_t{1}}}));
}

void gemm(const GradientPlace& at) {
  const std::int64_t transpose_a = at.flag("transA", 0);
  const std::int64_t transpose_b = at.flag("transB", 0);
  const float alpha = at.node.attributes.get("alpha", 1.f);
  const auto product = [&](ValueId p, std::int64_t transpose_p, ValueId q,
                           std::int64_t transpose_q) {
    return at.op("Gemm", {p, q},
                 {{"alpha", alpha}, {"transA", transpose_p}, {"transB", transpose_q}});
  };
  const ValueId a = at.in(0);
  const ValueId b = at.in(1);
  at.give(0, transpose_a ? product(b, transpose_b, at.dy, 1) : product(at.dy, 0, b, !transpose_b));
  at.give(1, transpose_b ? product(at.dy, 1, a, transpose_a) : product(a, !transpose_a, at.dy, 0));
  at.give(2, at.mul(at.dy, at.pass.number(at.node.attributes.get("beta", 1.f), at.dy)));
}

void identity(const GradientPlace& at) { at.give(0, at.dy); }

void log(const GradientPlace& at) { at.give(0, at.op("Div", {at.dy, at.in(0)})); }

void matmul(const GradientPlace& at) {
  at.give(0, at.op("Einsum", {at.dy, at.in(1)}, {{"equation", std::string("...ij,...kj->...ik")}}));
  at.give(1, at.op("Einsum", {at.in(0), at.dy}, {{"equation", std::string("...ji,...jk->...ik")}}));
}

void mul(const GradientPlace& at) {
  at.give(0, at.mul(at.dy, at.in(1)));
  at.give(1, at.mul(at.dy, at.in(0)));
}

void neg(const GradientPlace& at) { at.give(0, at.op("Neg", {at.dy})); }

void pow(const GradientPlace& at) {
  const ValueId a = at.in(0);
  const ValueId b = at.op("CastLike", {at.in(1), a});
  const ValueId below = at.op("Pow", {a, at.op("Sub", {b, at.pass.number(1.f, a)})});
  at.give(0, at.mul(at.dy, at.mul(b, below)));
  at.give(1, at.op("CastLike", {at.mul(at.dy, at.mul(at.y, at.op("Log", {a}))), at.in(1)}));
}

void reduce_sum(const GradientPlace& at) { at.give(0, spread(at)); }

void reduce_mean(const GradientPlace& at) {
  const ValueId count = at.op("Div", {at.op("Size", {at.in(0)}), at.op("Size", {at.y})});
  at.give(0, at.op("Div", {spread(at), at.op("CastLike", {count, at.dy})}));
}

void relu(const GradientPlace& at) {
  const ValueId zero = at.pass.number(0.f, at.in(0));
  at.give(0, at.op("Where", {at.op("Greater", {at.in(0), zero}), at.dy, zero}));
}

void sigmoid(const GradientPlace& at) {
  at.give(0, at.mul(at.dy, at.op("Sub", {at.y, at.mul(at.y, at.y)})));
}

void softmax(const GradientPlace& at) {
  const ValueId weighted = at.mul(at.dy, at.y);
  at.give(0, at.op("Sub", {weighted, at.mul(at.y, sum_along_axis(at, weighted))}));
}

void log_softmax(const GradientPlace& at) {
  const ValueId total = at.mul(at.op("Exp", {at.y}), sum_along_axis(at, at.dy));
  at.give(0, at.op("Sub", {at.dy, total}));
}

void sqrt(const GradientPlace& at) {
  at.give(0, at.op("Div", {at.dy, at.op("Add", {at.y, at.y})}));
}

void sub(const GradientPlace& at) {
  at.give(0, at.dy);
  at.give(1, at.op("Neg", {at.dy}));
}

void tanh(const GradientPlace& at) {
  at.give(0, at.op("Sub", {at.dy, at.mul(at.dy, at.mul(at.y, at.y))}));
}

void transpose(const GradientPlace& at) {
  const auto perm = at.node.attributes.ints("perm");
  if (perm.empty()) return at.give(0, at.op("Transpose", {at.dy}));
  std::vector<std::int64_t> back(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] < 0 || perm[i] >= static_cast<std::int64_t>(perm.size()))
      fail(ErrorCode::corrupt_file, "Transpose: perm {} (node \"{}\")", perm[i], at.node.name);
    back[static_cast<std::size_t>(perm[i])] = static_cast<std::int64_t>(i);
  }
  at.give(0, at.op("Transpose", {at.dy}, {{"perm", back}}));
}

}  // namespace gradients

void BackwardPass::step(const Node& node) {
  const auto found = node.outputs.empty() ? gradients_.end() : gradients_.find(node.outputs[0]);
  if (found == gradients_.end()) return;  // y is another output's
  const GradientRule rule = node.row != nullptr ? node.row->gradient : nullptr;
  if (rule == nullptr) {
    fail(ErrorCode::unsupported, "Gradient: {} has no gradient here; known: {} (node \"{}\")",
         node.op_type, known_operators(), node.name);
  }
  rule({*this, node, node.outputs[0], found->second});
}

ValueId BackwardPass::gradient_or_zeros(ValueId id) {
  const auto found = gradients_.find(id);
  return found != gradients_.end() ? found->second : filled_like(id, 0.f);
}

ValueId BackwardPass::add(std::string op_type, std::vector<ValueId> inputs,
                          std::vector<Setting> settings, std::string domain) {
  if (graph_.nodes.size() >= max_nodes_)
    fail(ErrorCode::corrupt_file, "graph: more than {} nodes", max_nodes_);
  Node node;
  node.name = fmt::format("{}/{}_{}", name_, op_type, ++made_);
  set_operator(node, domain, op_type, domain.empty() ? kOpset : 1);
  node.operator_inputs = inputs.size();
  node.inputs = std::move(inputs);
  for (auto& [name, value] : settings) node.attributes.set(name, std::move(value));
  node.outputs = {graph_.add_value(node.name)};
  graph_.nodes.push_back(std::move(node));
  return graph_.nodes.back().outputs[0];
}

ValueId BackwardPass::constant(Tensor value) {
  const ValueId id = graph_.add_value(fmt::format("{}/constant_{}", name_, ++made_));
  graph_.value(id).constant = std::move(value);
  return id;
}

ValueId BackwardPass::number(float value, ValueId like) {
  return add("CastLike", {constant(Tensor::scalar(value)), like});
}

ValueId BackwardPass::filled_like(ValueId like, float value) {
  return add("Expand", {number(value, like), add("Shape", {like})});
}

void BackwardPass::give(ValueId input, ValueId gradient) {
  const ValueId own = add("SumTo", {gradient, input}, {}, "quern");
  const auto [known, fresh] = gradients_.emplace(input, own);
  if (!fresh) known->second = add("Add", {known->second, own});
}

}  // namespace quern::onnx
