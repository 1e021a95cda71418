#include <doctest/doctest.h>

#include <map>

#include "onnx/graph_maker.h"
#include "onnx/passes/pass.h"

using namespace quern;
using namespace quern::onnx;
using Types = std::vector<std::string>;

namespace {

/// Makes graphs in which floats are stored as bytes and read again.
class StoredMaker : public GraphMaker {
 public:
  ValueId quantize(ValueId x, float scale, std::uint8_t zero) {
    return node("QuantizeLinear", {x, number(scale), constant(Tensor::scalar(zero))});
  }
  ValueId dequantize(ValueId q, float scale, std::uint8_t zero) {
    return node("DequantizeLinear", {q, number(scale), constant(Tensor::scalar(zero))});
  }
  ValueId through_bytes(ValueId x, float scale, std::uint8_t zero) {
    return dequantize(quantize(x, scale, zero), scale, zero);
  }
  /// A weight in i8 whose slices of `axis` have scales of their own.
  ValueId weight(const Shape& shape, std::int64_t axis) {
    Tensor values = wavy(shape, 3);
    for (float& value : values.mutable_data<float>()) value *= 100.f;
    Tensor scales = Tensor::full({shape[static_cast<int>(axis)]}, 0.01);
    for (std::size_t i = 0; i < scales.data<float>().size(); ++i)
      scales.mutable_data<float>()[i] += 0.001f * static_cast<float>(i);
    return node("DequantizeLinear", {constant(values.cast(DType::i8)), constant(scales)},
                {{"axis", axis}});
  }
};

constexpr float kStep = 0.05f;  // of every result here

/// Checks that the pass makes the graph of `expected` and moves no result by more than `steps`.
void check_steps(GraphMaker& maker, bool (*pass)(Graph&), const std::vector<Value>& inputs,
                 const Types& expected, float steps = 1) {
  const auto before = run_graph(maker.graph, inputs);
  CHECK(pass(maker.graph));
  CHECK(maker.op_types() == expected);
  const auto after = run_graph(maker.graph, inputs);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const Tensor want = before[i].tensor().contiguous();
    const Tensor got = after[i].tensor().contiguous();
    REQUIRE(want.shape() == got.shape());
    REQUIRE(want.dtype() == got.dtype());
    for (std::size_t k = 0; k < want.data<float>().size(); ++k)
      CHECK(std::abs(got.data<float>()[k] - want.data<float>()[k]) <= kStep * (steps + 0.01f));
  }
}

const std::vector<GraphMaker::Attribute> kPads{{"pads", std::vector<std::int64_t>{1, 1, 1, 1}}};

}  // namespace

TEST_CASE("a convolution between bytes becomes one of bytes, with its bias and Relu") {
  for (const bool by_scale : {false, true}) {
    StoredMaker maker;
    const auto x = maker.through_bytes(maker.input("x"), 0.01f, 121);
    const auto weight = maker.weight({5, 3, 3, 3}, 0);
    const Tensor bias = wavy({5}, 9);
    const auto floats = maker.constant(bias);
    const auto stored = maker.node(
        "DequantizeLinear",
        {maker.constant(Tensor::from(std::vector{900, -40, 3, 0, 7}, {5})), maker.number(0.001f)});
    const auto conv = maker.node("Conv", {x, weight, by_scale ? stored : floats}, kPads);
    maker.output(maker.through_bytes(maker.node("Relu", {conv}), kStep, 0));
    check_steps(maker, fuse_quantization, {wavy({2, 3, 6, 7})},
                {"QuantizeLinear", "QLinearConv", "DequantizeLinear"});
  }
}

TEST_CASE("products of matrices between bytes become products of bytes") {
  StoredMaker maker;
  const auto x = maker.through_bytes(maker.input("x"), 0.01f, 121);
  maker.output(maker.through_bytes(maker.node("MatMul", {x, maker.weight({7, 5}, 1)}), kStep, 130));
  check_steps(maker, fuse_quantization, {wavy({3, 7})},
              {"QuantizeLinear", "QLinearMatMul", "DequantizeLinear"});
  for (const std::int64_t turned : {0, 1}) {
    StoredMaker gemm;
    const auto a = gemm.through_bytes(gemm.input("a"), 0.01f, 121);
    const auto b = gemm.weight(turned ? Shape{5, 7} : Shape{7, 5}, turned ? 0 : 1);
    const auto y = gemm.node("Gemm", {a, b, gemm.constant(wavy({5}, 4))},
                             {{"transB", turned}, {"alpha", 0.5f}});
    gemm.output(gemm.through_bytes(y, kStep, 130));
    check_steps(gemm, fuse_quantization, {wavy({3, 7})},
                {"QuantizeLinear", "com.microsoft::QGemm", "DequantizeLinear"});
  }
}

TEST_CASE("a bias between steps of products as coarse as the result's keeps its fraction") {
  for (const std::string type : {"Conv", "Gemm"}) {
    CAPTURE(type);
    StoredMaker maker;
    const auto x = maker.through_bytes(maker.input("x"), 1.f, 7);
    const Shape shape = type == "Conv" ? Shape{3, 2, 1, 1} : Shape{2, 3};
    const auto ones = maker.constant(Tensor::full(shape, 1, DType::i8));
    const auto weight = maker.node("DequantizeLinear", {ones, maker.number(1.f)});
    const auto bias = maker.constant(Tensor::from({0.4f, -0.3f, 0.45f}, {3}));
    maker.output(maker.through_bytes(maker.node(type, {x, weight, bias}), kStep, 130));
    CHECK(!fuse_quantization(maker.graph));
  }
}

TEST_CASE("a bias between steps of finer products is added with its fraction") {
  for (const std::string type : {"Conv", "Gemm"}) {
    CAPTURE(type);
    StoredMaker maker;
    const auto x = maker.through_bytes(maker.input("x"), 0.01f, 0);
    const Shape shape = type == "Conv" ? Shape{3, 2, 1, 1} : Shape{2, 3};
    const auto zeros = maker.constant(Tensor::zeros(shape, DType::i8));
    const auto weight = maker.node("DequantizeLinear", {zeros, maker.number(0.1f)});
    // Of units of 0.001: 25.4 is above the middle of a step of 0.05, its integer is not.
    const auto bias = maker.constant(Tensor::from({0.0254f, 0.0246f, 0.0754f}, {3}));
    maker.output(maker.through_bytes(maker.node(type, {x, weight, bias}), kStep, 130));
    check_steps(maker, fuse_quantization, {wavy(type == "Conv" ? Shape{2, 2, 3, 3} : Shape{4, 2})},
                {"QuantizeLinear", type == "Conv" ? "QLinearConv" : "com.microsoft::QGemm",
                 "DequantizeLinear"},
                0);
  }
}

TEST_CASE("sums, products and joins between bytes are done on bytes") {
  for (const auto& names : std::map<std::string, std::string>{
           {"Add", "QLinearAdd"}, {"Mul", "QLinearMul"}, {"Concat", "QLinearConcat"}}) {
    const std::string& type = names.first;
    CAPTURE(type);
    StoredMaker maker;
    const auto a = maker.through_bytes(maker.input("a"), 0.01f, 121);
    const auto b = maker.through_bytes(maker.input("b"), 0.02f, 7);
    std::vector<GraphMaker::Attribute> attributes;
    if (type == "Concat") attributes.push_back({"axis", std::int64_t{1}});
    maker.output(maker.through_bytes(maker.node(type, {a, b}, attributes), kStep, 99));
    check_steps(
        maker, fuse_quantization, {wavy({2, 3, 5}), wavy({2, 3, 5}, 1)},
        {"QuantizeLinear", "QuantizeLinear", "com.microsoft::" + names.second, "DequantizeLinear"});
  }
}

TEST_CASE("functions and averages between bytes are done on bytes") {
  for (const std::string type : {"Sigmoid", "LeakyRelu", "GlobalAveragePool", "AveragePool"}) {
    CAPTURE(type);
    StoredMaker maker;
    const auto x = maker.through_bytes(maker.input("x"), 0.01f, 121);
    std::vector<GraphMaker::Attribute> attributes;
    if (type == "AveragePool")
      attributes.push_back({"kernel_shape", std::vector<std::int64_t>{2, 3}});
    maker.output(maker.through_bytes(maker.node(type, {x}, attributes), kStep, 99));
    check_steps(maker, fuse_quantization, {wavy({2, 3, 5, 6})},
                {"QuantizeLinear", "com.microsoft::QLinear" + type, "DequantizeLinear"});
  }
}

TEST_CASE("a Relu that storing does not do, and a float that others read, stay") {
  StoredMaker maker;
  const auto x = maker.through_bytes(maker.input("x"), 0.01f, 121);
  const auto conv = maker.node("Conv", {x, maker.weight({5, 3, 3, 3}, 0)});
  maker.output(maker.through_bytes(maker.node("Relu", {conv}), kStep, 100));
  CHECK_FALSE(fuse_quantization(maker.graph));
  StoredMaker shared;
  const auto source = shared.through_bytes(shared.input("x"), 0.01f, 121);
  const auto sum = shared.node("Add", {source, source});
  shared.output(shared.through_bytes(sum, kStep, 100));
  shared.output(sum);
  CHECK_FALSE(fuse_quantization(shared.graph));
}

TEST_CASE("storing again what was just read goes, where scale and zero point are alike") {
  StoredMaker maker;
  const auto x = maker.through_bytes(maker.input("x"), kStep, 121);
  maker.output(maker.through_bytes(x, kStep, 121));
  check_steps(maker, fuse_quantization, {wavy({2, 3})}, {"QuantizeLinear", "DequantizeLinear"}, 0);
  StoredMaker other;
  const auto y = other.through_bytes(other.input("y"), kStep, 121);
  other.output(other.through_bytes(y, kStep, 120));
  CHECK_FALSE(fuse_quantization(other.graph));
}

TEST_CASE("a cast to the dtype that is stored is an identity") {
  StoredMaker maker;
  const auto q = maker.quantize(maker.input("x"), kStep, 121);
  const auto cast = maker.node("Cast", {q}, {{"to", std::int64_t{2}}});  // u8
  maker.output(maker.dequantize(cast, kStep, 121));
  check_steps(maker, eliminate_identities, {wavy({2, 3})}, {"QuantizeLinear", "DequantizeLinear"},
              0);
  StoredMaker signed_maker;
  const auto u = signed_maker.quantize(signed_maker.input("x"), kStep, 121);
  signed_maker.output(signed_maker.node("Cast", {u}, {{"to", std::int64_t{3}}}));  // i8
  CHECK_FALSE(eliminate_identities(signed_maker.graph));
}

TEST_CASE("bytes are moved, and read behind the last move") {
  StoredMaker maker;
  const auto x = maker.through_bytes(maker.input("x"), kStep, 121);
  const auto turned = maker.node("Transpose", {x}, {{"perm", std::vector<std::int64_t>{1, 0, 2}}});
  const auto shape = maker.constant(Tensor::from(std::vector<std::int64_t>{3, 10}, {2}));
  maker.output(maker.node("Reshape", {turned, shape}));
  maker.output(maker.node("Exp", {x}));
  check_steps(
      maker, sink_dequantization, {wavy({2, 3, 5})},
      {"QuantizeLinear", "DequantizeLinear", "Transpose", "Reshape", "DequantizeLinear", "Exp"}, 0);
}

TEST_CASE("bytes are pooled where no window lies in padding alone, which is -infinity") {
  using Ints = std::vector<std::int64_t>;
  struct Pool {
    std::int64_t size, pad, dilation;
    bool sinks;
  };
  for (const Pool& pool :
       {Pool{2, 1, 1, true}, Pool{3, 0, 2, true}, Pool{1, 1, 1, false}, Pool{2, 1, 3, false}}) {
    StoredMaker maker;
    const auto x = maker.through_bytes(maker.input("x"), kStep, 121);
    maker.output(maker.node("MaxPool", {x},
                            {{"kernel_shape", Ints{pool.size, pool.size}},
                             {"pads", Ints(4, pool.pad)},
                             {"dilations", Ints(2, pool.dilation)}}));
    CHECK(sink_dequantization(maker.graph) == pool.sinks);
  }
}

TEST_CASE("what is stored as bytes is stored before its elements are reordered") {
  StoredMaker maker;
  const auto x = maker.node("Exp", {maker.input("x")});
  const auto shape = maker.constant(Tensor::from(std::vector<std::int64_t>{3, 10}, {2}));
  const auto turned = maker.node("Transpose", {x}, {{"perm", std::vector<std::int64_t>{1, 0, 2}}});
  maker.output(maker.through_bytes(maker.node("Reshape", {turned, shape}), kStep, 121));
  maker.output(x);
  check_steps(maker, hoist_quantization, {wavy({2, 3, 5})},
              {"Exp", "QuantizeLinear", "Transpose", "Reshape", "DequantizeLinear"}, 0);
  CHECK_FALSE(hoist_quantization(maker.graph));
}

TEST_CASE("a reordered float that others read is stored where it was") {
  StoredMaker maker;
  const auto turned = maker.node("Transpose", {maker.input("x")});
  maker.output(maker.through_bytes(turned, kStep, 121));
  maker.output(turned);
  CHECK_FALSE(hoist_quantization(maker.graph));
}

TEST_CASE("each part of a split is read by itself") {
  StoredMaker maker;
  const auto x = maker.through_bytes(maker.input("x"), kStep, 121);
  maker.node("Split", {x}, {{"axis", std::int64_t{1}}, {"num_outputs", std::int64_t{2}}});
  Node& split = maker.graph.nodes.back();
  split.outputs.push_back(maker.graph.add_value("second"));
  for (const ValueId part : std::vector(split.outputs)) maker.output(part);
  check_steps(maker, sink_dequantization, {wavy({2, 4})},
              {"QuantizeLinear", "Split", "DequantizeLinear", "DequantizeLinear"}, 0);
}
