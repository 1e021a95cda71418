#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "onnx/graph_maker.h"
#include "onnx/passes/pass.h"

using namespace quern;
using namespace quern::onnx;

namespace {

using Types = std::vector<std::string>;
using Ints = std::vector<std::int64_t>;

Types types_after_all_passes(GraphMaker& maker) {
  optimise(maker.graph);
  return maker.op_types();
}

GraphMaker::ValueId one_element(GraphMaker& maker, float value, int axes) {
  return maker.constant(Tensor::full(Shape::filled(axes, 1), value));
}

Tensor ending_values(const Shape& shape) {
  Tensor x = wavy(shape);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  x.mutable_data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  x.mutable_data<float>()[9] = kInfinity;
  x.mutable_data<float>()[17] = -kInfinity;
  return x;
}

/// How many elements of the first outputs differ, NaN being like NaN.
int differing(const Graph& graph, const Graph& other, const std::vector<Value>& inputs) {
  const Tensor a = run_graph(graph, inputs)[0].tensor().contiguous();
  const Tensor b = run_graph(other, inputs)[0].tensor().contiguous();
  REQUIRE(a.shape() == b.shape());
  int count = 0;
  for (std::size_t i = 0; i < a.data<float>().size(); ++i) {
    const float want = a.data<float>()[i];
    const float got = b.data<float>()[i];
    const bool same =
        std::isnan(want) ? std::isnan(got) : got == want || std::abs(got - want) <= 1e-5f;
    count += same ? 0 : 1;
  }
  return count;
}

}  // namespace

TEST_CASE("a convolution adds an operand that broadcasts in any way") {
  struct Filter {
    Shape src, weight;
    std::int64_t groups;
  };
  for (const Filter& filter :
       {Filter{{2, 16, 5, 6}, {8, 16, 3, 3}, 1}, Filter{{2, 16, 5, 6}, {8, 16, 1, 1}, 1},
        Filter{{2, 3, 5, 6}, {3, 3, 3, 3}, 1}, Filter{{3, 16, 5, 6}, {16, 1, 3, 3}, 16},
        Filter{{2, 8, 5, 6}, {4, 4, 2, 2}, 2}, Filter{{2, 4, 9}, {5, 4, 3}, 1},
        Filter{{2, 4, 4, 5, 3}, {6, 4, 3, 2, 1}, 1}}) {
    GraphMaker plain;
    const auto conv = plain.node("Conv", {plain.input("x"), plain.constant(wavy(filter.weight))},
                                 {{"group", filter.groups}});
    plain.output(conv);
    const Shape result = run_graph(plain.graph, {wavy(filter.src)})[0].tensor().shape();
    const int rank = result.rank();
    for (int kept = 0; kept < 1 << rank; ++kept) {
      for (int skipped = 0; skipped <= rank; ++skipped) {
        Shape shape;
        for (int axis = skipped; axis < rank; ++axis)
          shape.push_back((kept >> axis & 1) != 0 ? result[axis] : 1);
        GraphMaker maker;
        const auto product =
            maker.node("Conv", {maker.input("x"), maker.constant(wavy(filter.weight))},
                       {{"group", filter.groups}});
        maker.output(maker.node("Relu", {maker.node("Add", {product, maker.input("y")})}));
        Graph fused = maker.graph;
        optimise(fused);
        CAPTURE(to_string(filter.weight));
        CAPTURE(to_string(shape));
        CHECK(differing(maker.graph, fused, {wavy(filter.src), wavy(shape, 2)}) == 0);
      }
    }
  }
}

TEST_CASE("NaN and infinities pass through what follows a product as they do alone") {
  for (const char* op_type : {"Relu", "Clip", "Elu", "Tanh", "HardSwish", "Sigmoid", "Mish",
                              "LeakyRelu", "Gelu", "Softplus"}) {
    for (const bool adds : {false, true}) {
      CAPTURE(op_type);
      CAPTURE(adds);
      const auto follow = [&](GraphMaker& maker, GraphMaker::ValueId value) {
        if (adds) value = maker.node("Add", {value, maker.input("y")});
        std::vector<GraphMaker::ValueId> inputs{value};
        if (std::string(op_type) == "Clip")
          inputs.insert(inputs.end(), {maker.number(0.f), maker.number(6.f)});
        maker.output(maker.node(op_type, inputs, {}, 20));
      };
      GraphMaker conv;
      follow(conv, conv.node("Conv", {conv.input("x"), conv.constant(wavy({16, 16, 1, 1}))}));
      GraphMaker linear;
      follow(linear, linear.node("MatMul", {linear.input("x"), linear.constant(wavy({6, 16}))}));
      Graph fused_conv = conv.graph;
      Graph fused_linear = linear.graph;
      optimise(fused_conv);
      optimise(fused_linear);
      for (const bool in_operand : {false, true}) {
        std::vector<Value> inputs{in_operand ? wavy({1, 16, 5, 6}) : ending_values({1, 16, 5, 6})};
        if (adds)
          inputs.emplace_back(in_operand ? ending_values({1, 16, 5, 6}) : wavy({1, 16, 5, 6}));
        CHECK(differing(conv.graph, fused_conv, inputs) == 0);
        if (adds) inputs[1] = in_operand ? ending_values({1, 16, 5, 16}) : wavy({1, 16, 5, 16});
        CHECK(differing(linear.graph, fused_linear, inputs) == 0);
      }
    }
  }
}

TEST_CASE("a softmax over another axis is no attention") {
  for (const std::int64_t axis : {1, 2, 3, 4, -1, -2}) {
    GraphMaker maker;
    const auto scores = maker.node(
        "MatMul", {maker.input("q", {1, 2, 3, 4, 5}), maker.input("k", {1, 2, 3, 5, 4})});
    const auto weights = maker.node("Softmax", {scores}, {{"axis", axis}});
    maker.output(maker.node("MatMul", {weights, maker.input("v", {1, 2, 3, 4, 6})}));
    const bool is_last = axis == 4 || axis == -1;
    const Types expected =
        is_last ? Types{"quern::Attention"} : Types{"MatMul", "Softmax", "MatMul"};
    CHECK(types_after_all_passes(maker) == expected);
  }
}

TEST_CASE("constants of one element that give the result more axes stay") {
  for (int axes = 0; axes <= 5; ++axes) {
    CAPTURE(axes);
    const auto is_fused = [](GraphMaker& maker, const char* op_type) {
      const Types types = types_after_all_passes(maker);
      return std::ranges::count(types, op_type) == 1;
    };
    GraphMaker gelu;
    const auto x = gelu.input("x", {2, 3});
    const auto erf = gelu.node(
        "Erf", {gelu.node("Div", {x, one_element(gelu, std::numbers::sqrt2_v<float>, axes)})});
    const auto sum = gelu.node("Add", {erf, gelu.number(1)});
    gelu.output(gelu.node("Mul", {gelu.node("Mul", {x, sum}), gelu.number(0.5f)}));
    CHECK(is_fused(gelu, "Gelu") == (axes <= 2));

    GraphMaker attention;
    const auto q = attention.input("q", {2, 3});
    const auto scores = attention.node("MatMul", {q, attention.input("k", {3, 2})});
    const auto scaled = attention.node("Mul", {scores, one_element(attention, 0.5f, axes)});
    const auto weights = attention.node("Softmax", {scaled});
    attention.output(attention.node("MatMul", {weights, attention.input("v", {2, 4})}));
    CHECK(is_fused(attention, "quern::Attention") == (axes <= 2));

    GraphMaker norm;
    const auto y = norm.input("y", {2, 3});
    const auto mean = norm.node("ReduceMean", {norm.node("Mul", {y, y})}, {{"axes", Ints{-1}}}, 13);
    const auto root = norm.node("Sqrt", {norm.node("Add", {mean, one_element(norm, 1e-5f, axes)})});
    norm.output(norm.node("Mul", {norm.node("Div", {y, root}), norm.constant(wavy({3}))}));
    CHECK(is_fused(norm, "RMSNormalization") == (axes <= 2));
  }
}

TEST_CASE("a scale that gives the last axis its size is none of a layer norm") {
  for (const std::int64_t size : {1, 4}) {
    GraphMaker maker;
    const auto x = maker.input("x", {2, size});
    const auto mean = maker.node("ReduceMean", {x}, {{"axes", Ints{-1}}}, 13);
    const auto centred = maker.node("Sub", {x, mean});
    const auto variance =
        maker.node("ReduceMean", {maker.node("Mul", {centred, centred})}, {{"axes", Ints{-1}}}, 13);
    const auto root = maker.node("Sqrt", {maker.node("Add", {variance, maker.number(1e-5f)})});
    const auto normal = maker.node("Div", {centred, root});
    const auto scaled = maker.node("Mul", {normal, maker.constant(wavy({4}))});
    maker.output(maker.node("Add", {scaled, maker.constant(wavy({4}, 1))}));
    const Types types = types_after_all_passes(maker);
    CHECK((types == Types{"LayerNormalization"}) == (size == 4));
  }
}

TEST_CASE("what finite numbers are made infinite by is not taken for finite") {
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();
  using Make = GraphMaker::ValueId (*)(GraphMaker&, GraphMaker::ValueId);
  const std::pair<const char*, Make> kMakers[] = {
      {"a bound of Clip",
       [](GraphMaker& maker, GraphMaker::ValueId x) {
         return maker.node("Clip", {x, maker.number(kInfinity)});
       }},
      {"an attribute of Clip",
       [](GraphMaker& maker, GraphMaker::ValueId x) {
         return maker.node("Clip", {x}, {{"max", -kInfinity}}, 6);
       }},
      {"a slope",
       [](GraphMaker& maker, GraphMaker::ValueId x) {
         return maker.node("LeakyRelu", {x}, {{"alpha", kInfinity}});
       }},
      {"an old Pad",
       [](GraphMaker& maker, GraphMaker::ValueId x) {
         return maker.node("Pad", {x}, {{"pads", Ints{0, 0, 0, 1}}, {"value", kInfinity}}, 2);
       }},
      {"a scale",
       [](GraphMaker& maker, GraphMaker::ValueId x) {
         const auto bytes = maker.node("QuantizeLinear", {x, maker.number(1.f)});
         return maker.node("DequantizeLinear", {bytes, maker.number(kInfinity)});
       }},
      {"the largest of none",
       [](GraphMaker& maker, GraphMaker::ValueId x) {
         const auto one = maker.constant(Tensor::from(Ints{1}, {1}));
         const auto none = maker.node("Slice", {x, one, one, one});
         const auto most = maker.node("ReduceMax", {none},
                                      {{"axes", Ints{1}}, {"keepdims", std::int64_t{1}}}, 13);
         return maker.node("Add", {x, most});
       }},
  };
  for (const auto& [name, make] : kMakers) {
    CAPTURE(name);
    for (const char* function : {"Relu", "Clip"}) {
      GraphMaker maker;
      const auto made = make(maker, maker.input("x", {9, 3}));
      const std::int64_t columns = std::string(name) == "an old Pad" ? 4 : 3;
      const auto product = maker.node("MatMul", {made, maker.constant(wavy({columns, 16}))});
      std::vector<GraphMaker::ValueId> inputs{product};
      if (std::string(function) == "Clip") inputs.push_back(maker.number(-1.f));
      maker.output(maker.node(function, inputs));
      Graph optimised = maker.graph;
      optimise(optimised);
      CHECK(differing(maker.graph, optimised, {wavy({9, 3})}) == 0);
    }
  }
}
