#include "onnx/passes/pass.h"

#include <doctest/doctest.h>

#include <numbers>
#include <utility>

#include "onnx/check_pass.h"
#include "onnx/graph_maker.h"
#include "onnx/split_fused.h"

using namespace quern;
using namespace quern::onnx;
using Types = std::vector<std::string>;
using Ints = std::vector<std::int64_t>;

TEST_CASE("constants are folded, what depends on inputs is not") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto sum = maker.node("Add", {maker.constant(wavy({3})), maker.constant(wavy({3}, 1))});
  maker.output(maker.node("Mul", {x, maker.node("Exp", {sum})}));
  check_pass(maker, fold_constants, {wavy({2, 3})}, {"Mul"});
}

TEST_CASE("a constant that grows beyond what it is made of is not folded") {
  GraphMaker maker;
  const auto row = maker.constant(wavy({1 << 11}));
  const auto column = maker.constant(wavy({1 << 11, 1}));
  maker.output(maker.node("Add", {row, column}));
  CHECK_FALSE(fold_constants(maker.graph));
  CHECK(maker.op_types() == Types{"Add"});
}

TEST_CASE("sizes that inputs fix become constants, through windows and what only moves them") {
  GraphMaker maker;
  const auto x = maker.input("x", {-1, 3, 9, 8});
  const auto conv =
      maker.node("Conv", {x, maker.constant(wavy({5, 3, 3, 3}))},
                 {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}});  // [-1, 5, 5, 4]
  const auto sizes = maker.node("Shape", {maker.node("Relu", {conv})});
  const auto channels = maker.node("Gather", {sizes, maker.constant(Tensor::from(Ints{1}, {1}))});
  const auto rest = maker.constant(Tensor::from(Ints{-1}, {1}));
  const auto wanted = maker.node("Concat", {rest, channels}, {{"axis", std::int64_t{0}}});
  maker.output(maker.node("Reshape", {conv, wanted}));
  check_pass(maker, infer_shapes, {wavy({2, 3, 9, 8})},
             {"Conv", "Relu", "Shape", "Concat", "Reshape"});
  optimise(maker.graph);
  CHECK(maker.op_types() == Types{"quern::Conv", "Reshape"});
}

TEST_CASE("a size that only a run knows stays, beside those that are known") {
  GraphMaker maker;
  const auto x = maker.input("x", {-1, 6});
  const auto sizes = maker.node("Shape", {x});
  const auto wanted = maker.node("Concat", {sizes, maker.constant(Tensor::from(Ints{1}, {1}))},
                                 {{"axis", std::int64_t{0}}});
  const auto reshaped = maker.node("Reshape", {x, wanted});
  maker.output(reshaped);
  CHECK_FALSE(infer_shapes(maker.graph));
  CHECK(maker.op_types() == Types{"Shape", "Concat", "Reshape"});
  CHECK(maker.graph.value(reshaped).dims == Ints{-1, 6, 1});
}

TEST_CASE("shapes are inferred as the operators give them") {
  const auto list = [](Ints values) {
    return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
  };
  GraphMaker maker;
  const auto x = maker.input("x", {2, 3, 9, 8});
  const auto add = [&](const char* op_type, std::vector<GraphMaker::ValueId> more = {},
                       std::vector<GraphMaker::Attribute> attributes = {}, int opset = 18) {
    more.insert(more.begin(), x);
    maker.output(maker.node(op_type, more, attributes, opset));
  };
  const auto ints = [&](Ints values) { return maker.constant(list(std::move(values))); };
  const auto axis = [](std::int64_t value) {
    return std::vector<GraphMaker::Attribute>{{"axis", value}};
  };
  add("Transpose");
  add("Transpose", {}, {{"perm", Ints{0, 2, 3, 1}}});
  add("Flatten", {}, axis(-2));
  add("Unsqueeze", {ints({0, -1})});
  add("Reshape", {ints({0, -1, 4})});
  add("Concat", {x}, axis(-1));
  add("Slice", {ints({1, -3}), ints({100, -1}), ints({2, -1})});
  add("Slice", {}, {{"starts", Ints{1}}, {"ends", Ints{-1}}}, 9);
  add("Gather", {ints({0, 1, 0, 0, 1})}, axis(2));
  add("Expand", {ints({5, 1, 3, 1, 1})});
  add("ReduceMean", {ints({-1, 1})}, {{"keepdims", std::int64_t{0}}});
  add("ReduceSum", {}, {}, 13);
  add("ArgMax", {}, axis(3));
  add("MatMul", {maker.constant(wavy({3, 8, 5}))});
  add("MaxPool", {},
      {{"kernel_shape", Ints{3, 2}},
       {"auto_pad", std::string("SAME_UPPER")},
       {"strides", Ints{2, 3}}});
  add("AveragePool", {}, {{"kernel_shape", Ints{2, 2}}, {"pads", Ints{1, 0, 0, 1}}});
  add("GlobalAveragePool");
  add("Conv", {maker.constant(wavy({4, 3, 2, 2}))},
      {{"dilations", Ints{3, 2}}, {"strides", Ints{1, 2}}});
  add("Equal", {maker.constant(wavy({9, 1}))});
  infer_shapes(maker.graph);
  const auto outputs = run_graph(maker.graph, {wavy({2, 3, 9, 8})});
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    CAPTURE(maker.graph.nodes[i].name);
    const Shape& shape = outputs[i].tensor().shape();
    CHECK(maker.graph.value(maker.graph.outputs[i]).dims == Ints(shape.begin(), shape.end()));
  }
}

TEST_CASE("a rank that is inferred lets others fuse what counts axes from the front") {
  const std::vector<GraphMaker::Attribute> last{{"axes", Ints{2}}};
  GraphMaker maker;
  const auto x = maker.node("Relu", {maker.input("x", {-1, -1, 9})});
  const auto mean = maker.node("ReduceMean", {maker.node("Mul", {x, x})}, last, 13);
  const auto root = maker.node("Sqrt", {maker.node("Add", {mean, maker.number(1e-6f)})});
  const auto normal = maker.node("Div", {x, root});
  maker.output(maker.node("Mul", {normal, maker.constant(wavy({9}, 1))}));
  CHECK_FALSE(fuse_layer_norms(maker.graph));
  infer_shapes(maker.graph);
  check_pass(maker, fuse_layer_norms, {wavy({2, 3, 9})}, {"Relu", "RMSNormalization"});
}

TEST_CASE("nodes that nothing reads go, with their constants") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto unused = maker.constant(wavy({3}));
  maker.node("Exp", {maker.node("Add", {x, unused})});
  maker.output(maker.node("Neg", {x}));
  check_pass(maker, eliminate_dead_code, {wavy({2, 3})}, {"Neg"});
  CHECK_FALSE(maker.graph.value(unused).constant.has_value());
}

TEST_CASE("identities go, also where one gives an output of the graph") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto same = maker.node("Mul", {maker.node("Identity", {x}), maker.number(1.f)});
  maker.output(maker.node("Identity", {maker.node("Exp", {same})}));
  check_pass(maker, eliminate_identities, {wavy({2, 3})}, {"Exp"});
}

TEST_CASE("a product with one that broadcasts is no identity") {
  GraphMaker maker;
  maker.output(maker.node("Mul", {maker.input("x"), maker.constant(Tensor::full({2, 1}, 1))}));
  CHECK_FALSE(eliminate_identities(maker.graph));
}

TEST_CASE("transposes one after another become one, and none where they undo each other") {
  const auto perm = [](std::vector<std::int64_t> axes) {
    return std::vector<GraphMaker::Attribute>{{"perm", std::move(axes)}};
  };
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto turned = maker.node("Transpose", {x}, perm({1, 2, 0}));
  maker.output(maker.node("Neg", {maker.node("Transpose", {turned}, perm({2, 0, 1}))}));
  maker.output(maker.node("Transpose", {turned}, perm({1, 0, 2})));
  const auto input = wavy({2, 3, 5});
  const auto before = run_graph(maker.graph, {input});
  CHECK(eliminate_transposes(maker.graph));
  eliminate_dead_code(maker.graph);
  CHECK(maker.op_types() == Types{"Neg", "Transpose"});
  const auto after = run_graph(maker.graph, {input});
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(std::ranges::equal(before[i].tensor().data<float>(), after[i].tensor().data<float>()));
  }
}

TEST_CASE("a normalisation by running statistics is folded into the convolution before it") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto conv = maker.node("Conv", {x, maker.constant(wavy({5, 3, 3, 3}))});
  const auto variance = Tensor::from({0.5f, 1.f, 2.f, 0.1f, 3.f}, {5});
  maker.output(maker.node("BatchNormalization",
                          {conv, maker.constant(wavy({5}, 1)), maker.constant(wavy({5}, 2)),
                           maker.constant(wavy({5}, 3)), maker.constant(variance)}));
  check_pass(maker, fold_batch_norms, {wavy({1, 3, 7, 6})}, {"Conv"});
}

TEST_CASE("a convolution takes a bias, activations and a residual") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto residual = maker.input("residual");
  const auto conv = maker.node("Conv", {x, maker.constant(wavy({5, 3, 1, 1}))});
  const auto biased = maker.node("Add", {conv, maker.constant(wavy({1, 5, 1, 1}, 2))});
  const auto sum = maker.node("Add", {residual, maker.node("Sigmoid", {biased})});
  maker.output(maker.node("Relu", {sum}));
  check_pass(maker, fuse_convolutions, {wavy({2, 3, 4, 5}), wavy({2, 5, 4, 5}, 1)},
             {"quern::Conv"});
}

TEST_CASE("a FusedConv is a convolution, a sum and an activation, and they are one node again") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto residual = maker.input("residual");
  maker.output(maker.node(
      "FusedConv", {x, maker.constant(wavy({5, 3, 1, 1})), maker.constant(wavy({5}, 2)), residual},
      {{"activation", std::string("LeakyRelu")}, {"activation_params", std::vector<float>{0.3f}}}));
  Node fused = std::exchange(maker.graph.nodes, {}).front();
  set_operator(fused, "com.microsoft", fused.op_type, fused.opset);
  maker.graph.nodes = split_fused(std::move(fused), maker.graph);
  CHECK(maker.op_types() == Types{"Conv", "Add", "LeakyRelu"});
  check_pass(maker, fuse_convolutions, {wavy({2, 3, 4, 5}), wavy({2, 5, 4, 5}, 1)},
             {"quern::Conv"});
}

TEST_CASE("a residual that is larger than the convolution is still added") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto residual = maker.input("residual");
  const auto conv = maker.node("Conv", {x, maker.constant(wavy({5, 3, 1, 1}))});
  maker.output(maker.node("Relu", {maker.node("Add", {conv, residual})}));
  check_pass(maker, fuse_convolutions, {wavy({1, 3, 4, 1}), wavy({2, 5, 4, 5}, 1)},
             {"quern::Conv"});
}

TEST_CASE("a product with a constant matrix takes a bias, an activation and a residual") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto product = maker.node("MatMul", {x, maker.constant(wavy({7, 5}))});
  const auto biased = maker.node("Add", {maker.constant(wavy({5}, 2)), product});
  const auto activated = maker.node("Tanh", {biased});
  maker.output(maker.node("Add", {activated, maker.input("residual")}));
  check_pass(maker, fuse_linear_maps, {wavy({2, 3, 7}), wavy({2, 3, 5}, 1)}, {"quern::Linear"});
}

namespace {

/// x [1, 6, 4, 5] with its channels in turns, by shapes that say so in different ways.
ValueId shuffle(GraphMaker& maker, ValueId x, std::vector<std::int64_t> before,
                std::vector<std::int64_t> after) {
  const auto shape = [&](const std::vector<std::int64_t>& sizes) {
    return maker.constant(Tensor::from(sizes, {static_cast<std::int64_t>(sizes.size())}));
  };
  const auto grouped = maker.node("Reshape", {x, shape(before)});
  const auto turned =
      maker.node("Transpose", {grouped}, {{"perm", std::vector<std::int64_t>{0, 2, 1, 3, 4}}});
  return maker.node("Reshape", {turned, shape(after)});
}

}  // namespace

TEST_CASE("channels of groups in turns are one node, with the split after them") {
  for (const auto& [before, after] :
       {std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>>{{1, 2, 6, 4, 5},
                                                                        {1, -1, 4, 5}},
        {{0, 3, 4, 4, 5}, {1, 12, 4, 5}},
        {{-1, 6, 2, 4, 5}, {0, 12, 4, -1}},
        {{1, 2, 6, 5, 4}, {1, 12, 5, 4}}}) {
    GraphMaker maker;
    maker.output(maker.node("Neg", {shuffle(maker, maker.input("x"), before, after)}));
    check_pass(maker, fuse_channel_shuffles, {wavy({1, 12, 4, 5})},
               {"quern::ChannelShuffle", "Neg"});
  }
  GraphMaker maker;
  const auto turned = shuffle(maker, maker.input("x"), {1, 2, 6, 4, 5}, {1, 12, 4, 5});
  maker.node("Split", {turned}, {{"axis", std::int64_t{1}}, {"num_outputs", std::int64_t{2}}});
  const auto second = maker.graph.add_value("second");
  maker.graph.nodes.back().outputs.push_back(second);
  maker.output(maker.graph.nodes.back().outputs[0]);
  maker.output(second);
  check_pass(maker, fuse_channel_shuffles, {wavy({1, 12, 4, 5})}, {"quern::ChannelShuffle"});
}

TEST_CASE("other moves of axes, and steps of a shuffle that others read, stay") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto shape = maker.constant(Tensor::from<std::int64_t>({1, 2, 6, 4, 5}, {5}));
  const auto flat = maker.constant(Tensor::from<std::int64_t>({1, 12, 4, 5}, {4}));
  const auto grouped = maker.node("Reshape", {x, shape});
  const auto other =
      maker.node("Transpose", {grouped}, {{"perm", std::vector<std::int64_t>{0, 2, 1, 4, 3}}});
  maker.output(maker.node("Reshape", {other, flat}));
  const auto turned =
      maker.node("Transpose", {grouped}, {{"perm", std::vector<std::int64_t>{0, 2, 1, 3, 4}}});
  maker.output(maker.node("Reshape", {turned, flat}));
  CHECK_FALSE(fuse_channel_shuffles(maker.graph));
}

TEST_CASE("channels beyond any tensor's are no shuffle") {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  GraphMaker maker;
  maker.output(shuffle(maker, maker.input("x"), {1, kHuge, 4, 4, 5}, {1, -1, 4, 5}));
  maker.output(shuffle(maker, maker.input("y"), {1, 2, kHuge, 4, 5}, {1, -1, 4, 5}));
  CHECK_FALSE(fuse_channel_shuffles(maker.graph));

  GraphMaker split;
  const auto turned = shuffle(split, split.input("x"), {1, 2, 6, 4, 5}, {1, 12, 4, 5});
  split.node("Split", {turned},
             {{"axis", std::int64_t{1}}, {"split", std::vector<std::int64_t>{kHuge, kHuge}}});
  const auto second = split.graph.add_value("second");
  split.graph.nodes.back().outputs.push_back(second);
  split.output(split.graph.nodes.back().outputs[0]);
  split.output(second);
  CHECK(fuse_channel_shuffles(split.graph));
  CHECK(split.graph.nodes.back().op_type == "Split");
}

TEST_CASE("x * sigmoid(x) is one activation") {
  GraphMaker maker;
  const auto x = maker.input("x");
  maker.output(maker.node("Mul", {maker.node("Sigmoid", {x}), x}));
  check_pass(maker, fuse_activations, {wavy({2, 3})}, {"quern::Silu"});
}

TEST_CASE("the error function's forms of GELU are one activation") {
  for (int form = 0; form < 3; ++form) {
    CAPTURE(form);
    GraphMaker maker;
    const auto x = maker.input("x");
    const auto scaled = form == 1
                            ? maker.node("Mul", {x, maker.number(1 / std::numbers::sqrt2_v<float>)})
                            : maker.node("Div", {x, maker.number(std::numbers::sqrt2_v<float>)});
    const auto sum = maker.node("Add", {maker.node("Erf", {scaled}), maker.number(1.f)});
    const auto half = maker.number(0.5f);
    if (form == 0) maker.output(maker.node("Mul", {maker.node("Mul", {x, sum}), half}));
    if (form == 1) maker.output(maker.node("Mul", {maker.node("Mul", {x, half}), sum}));
    if (form == 2) maker.output(maker.node("Mul", {x, maker.node("Mul", {sum, half})}));
    check_pass(maker, fuse_activations, {wavy({2, 9})}, {"Gelu"});
  }
}

TEST_CASE("the forms of GELU with tanh are one activation, with its constants only") {
  for (int form = 0; form < 4; ++form) {
    CAPTURE(form);
    GraphMaker maker;
    const auto x = maker.input("x");
    const auto cube = form % 2 == 0 ? maker.node("Pow", {x, maker.number(3.f)})
                                    : maker.node("Mul", {maker.node("Mul", {x, x}), x});
    const auto part = maker.node("Mul", {cube, maker.number(form == 3 ? 0.05f : 0.044715f)});
    const auto inner = maker.node("Mul", {maker.number(0.7978846f), maker.node("Add", {x, part})});
    const auto sum = maker.node("Add", {maker.node("Tanh", {inner}), maker.number(1.f)});
    const auto half = maker.number(0.5f);
    if (form == 0) maker.output(maker.node("Mul", {maker.node("Mul", {x, half}), sum}));
    if (form == 1) maker.output(maker.node("Mul", {maker.node("Mul", {x, sum}), half}));
    if (form == 2) maker.output(maker.node("Mul", {x, maker.node("Mul", {sum, half})}));
    if (form == 3) maker.output(maker.node("Mul", {maker.node("Mul", {x, half}), sum}));
    if (form == 3) {
      CHECK_FALSE(fuse_activations(maker.graph));
    } else {
      check_pass(maker, fuse_activations, {wavy({2, 9})}, {"Gelu"});
      CHECK(maker.graph.nodes[0].attributes.get<std::string>("approximate") == "tanh");
    }
  }
}

TEST_CASE("a layer normalisation in parts is one node") {
  const std::vector<GraphMaker::Attribute> last{{"axes", std::vector<std::int64_t>{-1}}};
  GraphMaker maker;
  const auto x = maker.input("x", {-1, -1, 9});
  const auto centred = maker.node("Sub", {x, maker.node("ReduceMean", {x}, last, 13)});
  const auto square = maker.node("Pow", {centred, maker.number(2.f)});
  const auto variance = maker.node("ReduceMean", {square}, last, 13);
  const auto root = maker.node("Sqrt", {maker.node("Add", {variance, maker.number(1e-5f)})});
  const auto normal = maker.node("Div", {centred, root});
  const auto scaled = maker.node("Mul", {normal, maker.constant(wavy({9}, 1))});
  maker.output(maker.node("Add", {scaled, maker.constant(wavy({9}, 2))}));
  infer_shapes(maker.graph);
  check_pass(maker, fuse_layer_norms, {wavy({2, 3, 9})}, {"LayerNormalization"});
}

TEST_CASE("a normalisation of groups of channels in parts is one node") {
  for (const bool by_shape : {true, false}) {
    for (const bool together : {true, false}) {
      CAPTURE(by_shape);
      CAPTURE(together);
      const std::int64_t channels = together ? 5 : 6;
      const std::int64_t groups = together ? 1 : 3;
      GraphMaker maker;
      const auto x = maker.input("x", {2, channels, 3});
      const auto grouped =
          maker.node("Reshape", {x, maker.constant(Tensor::from(Ints{0, groups, -1}, {3}))});
      const auto ones = maker.constant(Tensor::full({groups}, 1.f));
      const auto normal = maker.node("InstanceNormalization",
                                     {grouped, ones, maker.constant(Tensor::zeros({groups}))});
      const auto sizes = by_shape ? maker.node("Shape", {x})
                                  : maker.constant(Tensor::from(Ints{2, channels, 3}, {3}));
      const auto back = maker.node("Reshape", {normal, sizes});
      const auto scaled = maker.node("Mul", {maker.constant(wavy({channels, 1}, 1)), back});
      maker.output(maker.node("Add", {scaled, maker.constant(wavy({1, channels, 1}, 2))}));
      infer_shapes(maker.graph);
      check_pass(maker, fuse_group_norms, {wavy({2, channels, 3})}, {"GroupNormalization"});
    }
  }
}

TEST_CASE("a normalisation that is scaled by other than its channels stays in parts") {
  GraphMaker maker;
  const auto x = maker.input("x", {2, 3, 3});
  const auto grouped =
      maker.node("Reshape", {x, maker.constant(Tensor::from(Ints{0, 1, -1}, {3}))});
  const auto normal = maker.node(
      "InstanceNormalization",
      {grouped, maker.constant(Tensor::full({1}, 1.f)), maker.constant(Tensor::zeros({1}))});
  const auto back = maker.node("Reshape", {normal, maker.node("Shape", {x})});
  const auto scaled = maker.node("Mul", {maker.constant(wavy({3}, 1)), back});  // the last axis
  maker.output(maker.node("Add", {scaled, maker.constant(wavy({3, 1}, 2))}));
  CHECK_FALSE(fuse_group_norms(maker.graph));
}

TEST_CASE("a rectifier of one slope is what a convolution takes with it") {
  GraphMaker maker;
  const auto x = maker.input("x");
  maker.output(maker.node("PRelu", {x, maker.constant(Tensor::from(std::vector{0.25f}, {1, 1}))}));
  check_pass(maker, fuse_activations, {wavy({2, 3, 9})}, {"LeakyRelu"});
}

TEST_CASE("a root mean square normalisation in parts is one node") {
  const std::vector<GraphMaker::Attribute> last{{"axes", std::vector<std::int64_t>{-1}}};
  GraphMaker maker;
  const auto x = maker.input("x", {-1, -1, 9});
  const auto mean = maker.node("ReduceMean", {maker.node("Mul", {x, x})}, last, 13);
  const auto root = maker.node("Sqrt", {maker.node("Add", {maker.number(1e-6f), mean})});
  const auto normal = maker.node("Mul", {x, maker.node("Div", {maker.number(1.f), root})});
  maker.output(maker.node("Mul", {maker.constant(wavy({9}, 1)), normal}));
  infer_shapes(maker.graph);
  check_pass(maker, fuse_layer_norms, {wavy({2, 3, 9})}, {"RMSNormalization"});
}

TEST_CASE("attention in parts is one node, with its mask and scale") {
  GraphMaker maker;
  const auto q = maker.input("q");
  const auto k = maker.input("k");
  const auto v = maker.input("v");
  const auto mask = maker.input("mask");
  const auto product = maker.node("MatMul", {q, k});
  const auto scores = maker.node("Div", {product, maker.number(2.f)});
  const std::vector<GraphMaker::Attribute> last{{"axis", std::int64_t{-1}}};
  const auto shares = maker.node("Softmax", {maker.node("Add", {scores, mask})}, last);
  maker.output(maker.node("MatMul", {shares, v}));
  check_pass(
      maker, fuse_attention,
      {wavy({2, 3, 5, 4}), wavy({2, 3, 4, 7}, 1), wavy({2, 3, 7, 6}, 2), wavy({2, 1, 1, 7}, 3)},
      {"quern::Attention"});
}

TEST_CASE("all passes together leave a small network's results as they are") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto conv = maker.node("Conv", {x, maker.constant(wavy({4, 3, 3, 3}))},
                               {{"pads", std::vector<std::int64_t>{1, 1, 1, 1}}});
  const auto active = maker.node("Relu", {conv});
  const auto again = maker.node("Conv", {active, maker.constant(wavy({4, 4, 1, 1}, 1))});
  const auto sum = maker.node("Add", {again, active});
  maker.output(maker.node("Relu", {maker.node("Identity", {sum})}));
  const auto input = wavy({2, 3, 7, 5});
  const auto before = run_graph(maker.graph, {input});
  optimise(maker.graph);
  CHECK(maker.op_types() == Types{"quern::Conv", "quern::Conv"});
  const auto after = run_graph(maker.graph, {input});
  const auto want = before[0].tensor().data<float>();
  for (std::size_t i = 0; i < want.size(); ++i)
    CHECK(after[0].tensor().data<float>()[i] == doctest::Approx(want[i]).epsilon(1e-4));
}
