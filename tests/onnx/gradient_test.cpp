#include <doctest/doctest.h>

#include "onnx/build.h"
#include "onnx/executable.h"
#include "onnx/graph_maker.h"
#include "onnx/training/gradient.h"
#include "support/error_code.h"

using namespace quern;
using namespace quern::onnx;

namespace {

constexpr std::size_t kMaxNodes = 1000;
using Ids = std::vector<ValueId>;

double total(const Value& value) {
  double sum = 0;
  const Tensor dense = value.tensor().contiguous();
  for (const float element : dense.data<float>()) sum += static_cast<double>(element);
  return sum;
}

/// Checks the gradient of `y`'s sum with respect to each input against differences of y.
void check_gradient(GraphMaker& maker, ValueId y, const std::vector<Tensor>& points) {
  const Ids xs = maker.graph.inputs;
  maker.output(y);
  for (const ValueId id : add_gradient(
           maker.graph, {.name = "g", .y = y, .xs = xs, .zs = {}, .points = xs}, kMaxNodes))
    maker.output(id);
  const std::vector<Value> at(points.begin(), points.end());
  const std::vector<Value> got = run_graph(maker.graph, at);
  constexpr float kStep = 1e-2f;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Tensor gradient = got[i + 1].tensor().contiguous();
    REQUIRE(gradient.shape() == points[i].shape());
    for (std::size_t k = 0; k < gradient.data<float>().size(); ++k) {
      const auto moved = [&](float by) {
        std::vector<Value> values = at;
        Tensor copy = points[i].clone();
        copy.mutable_data<float>()[k] += by;
        values[i] = copy;
        return total(run_graph(maker.graph, values)[0]);
      };
      const double slope = (moved(kStep) - moved(-kStep)) / (2.0 * static_cast<double>(kStep));
      CHECK(static_cast<double>(gradient.data<float>()[k]) == doctest::Approx(slope).epsilon(0.02));
    }
  }
}

/// Values in (0.5, 1.5).
Tensor positive(const Shape& shape, double phase = 0) {
  Tensor tensor = wavy(shape, phase);
  for (float& value : tensor.mutable_data<float>()) value = 1.f + value / 2.01f;
  return tensor;
}

}  // namespace

TEST_CASE("gradients of functions of one value are their slopes") {
  for (const char* type :
       {"Abs", "Exp", "Identity", "Log", "Neg", "Relu", "Sigmoid", "Sqrt", "Tanh"}) {
    CAPTURE(type);
    GraphMaker maker;
    const ValueId x = maker.input("x");
    check_gradient(maker, maker.node(type, {x}), {positive({2, 3})});
  }
}

TEST_CASE("gradients of broadcast operands are summed over what they were broadcast to") {
  for (const char* type : {"Add", "Sub", "Mul", "Div", "Pow"}) {
    CAPTURE(type);
    GraphMaker maker;
    const ValueId a = maker.input("a");
    const ValueId b = maker.input("b");
    check_gradient(maker, maker.node(type, {a, b}), {positive({2, 1, 3}), positive({5, 1}, 1)});
  }
}

TEST_CASE("gradients of products of matrices are products") {
  GraphMaker maker;
  const ValueId a = maker.input("a");
  const ValueId b = maker.input("b");
  const ValueId weighted =
      maker.node("Mul", {maker.node("MatMul", {a, b}), maker.constant(wavy({2, 3, 5}))});
  check_gradient(maker, weighted, {wavy({2, 3, 7}), wavy({7, 5}, 1)});
}

TEST_CASE("gradients of Gemm respect its transpositions and factors") {
  for (std::int64_t turns = 0; turns < 4; ++turns) {
    const std::int64_t turn_a = turns & 1;
    const std::int64_t turn_b = turns >> 1;
    GraphMaker maker;
    const ValueId a = maker.input("a");
    const ValueId b = maker.input("b");
    const ValueId c = maker.input("c");
    const ValueId y =
        maker.node("Gemm", {a, b, c},
                   {{"transA", turn_a}, {"transB", turn_b}, {"alpha", 0.5f}, {"beta", 2.f}});
    const ValueId weighted = maker.node("Mul", {y, maker.constant(wavy({3, 5}))});
    check_gradient(maker, weighted,
                   {wavy(turn_a ? Shape{7, 3} : Shape{3, 7}),
                    wavy(turn_b ? Shape{5, 7} : Shape{7, 5}, 1), wavy({5}, 2)});
  }
}

TEST_CASE("gradients of reductions spread over what was reduced") {
  const auto axes = Tensor::from(std::vector<std::int64_t>{-1, 0}, {2});
  for (const char* type : {"ReduceSum", "ReduceMean"}) {
    for (const std::int64_t keep : {0, 1}) {
      GraphMaker maker;
      const ValueId x = maker.input("x");
      const ValueId some = maker.node(type, {x, maker.constant(axes)}, {{"keepdims", keep}});
      const ValueId all = maker.node(type, {x}, {{"keepdims", keep}});
      const ValueId y =
          maker.node("Add", {maker.node("Mul", {some, some}), maker.node("Exp", {all})});
      check_gradient(maker, y, {wavy({2, 3, 5})});
    }
  }
}

TEST_CASE("gradients of softmaxes and of changes of shape") {
  GraphMaker maker;
  const ValueId x = maker.input("x");
  const ValueId turned =
      maker.node("Transpose", {x}, {{"perm", std::vector<std::int64_t>{2, 0, 1}}});
  const ValueId flat = maker.node("Flatten", {turned});
  const ValueId soft = maker.node("Softmax", {flat}, {{"axis", std::int64_t{0}}});
  const ValueId logs = maker.node("LogSoftmax", {flat});
  const ValueId weighted =
      maker.node("Mul", {maker.node("Mul", {soft, logs}), maker.constant(wavy({5, 6}))});
  check_gradient(maker, weighted, {wavy({2, 3, 5})});
}

TEST_CASE("a gradient at other points computes the graph between once more") {
  GraphMaker maker;
  const ValueId x = maker.input("x");
  const ValueId point = maker.input("point");
  const ValueId h = maker.node("Mul", {x, x});
  const ValueId y = maker.node("Mul", {h, x});
  const Ids xs{x, h};
  const Ids points{point, maker.number(10.f)};
  const Ids got = add_gradient(
      maker.graph, {.name = "g", .y = y, .xs = xs, .zs = {}, .points = points}, kMaxNodes);
  for (const ValueId id : got) maker.output(id);
  const auto values = run_graph(maker.graph, {Tensor::scalar(1.f), Tensor::scalar(3.f)});
  CHECK(values[0].tensor().item<float>() == 10.f);  // h is a value of its own
  CHECK(values[1].tensor().item<float>() == 3.f);
}

TEST_CASE("a value that y does not depend on has a gradient of zeros") {
  GraphMaker maker;
  const ValueId x = maker.input("x");
  const ValueId other = maker.input("other");
  const ValueId y = maker.node("Exp", {x});
  const Ids xs{x, other};
  const Ids got =
      add_gradient(maker.graph, {.name = "g", .y = y, .xs = xs, .zs = {}, .points = xs}, kMaxNodes);
  maker.output(got[1]);
  const auto values = run_graph(maker.graph, {Tensor::scalar(1.f), wavy({2, 3})});
  CHECK(values[0].tensor().shape() == Shape{2, 3});
  CHECK(total(values[0]) == 0);
}

TEST_CASE("operators without a gradient, and names that do not fit, are refused") {
  GraphMaker maker;
  const ValueId x = maker.input("x");
  const ValueId other = maker.input("other");
  const ValueId y = maker.node("Erf", {x});
  const auto code = [&](const Ids& xs, const Ids& points, std::size_t max_nodes = kMaxNodes) {
    return code_of([&] {
      add_gradient(maker.graph, {.name = "g", .y = y, .xs = xs, .zs = {}, .points = points},
                   max_nodes);
    });
  };
  CHECK(code({x}, {x}) == ErrorCode::unsupported);
  CHECK(code({other}, {other}) == ErrorCode::corrupt_file);
  CHECK(code({x}, {}) == ErrorCode::corrupt_file);
  CHECK(code({x}, {x}, 2) == ErrorCode::corrupt_file);
}
