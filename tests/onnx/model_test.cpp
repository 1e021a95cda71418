#include <filesystem>

#include "onnx/model_maker.h"
#include "quern/onnx.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

using namespace quern;
using onnx::Model;

namespace {

std::string message_of(const std::string& model) {
  try {
    Model::parse(bytes_of(model));
  } catch (const Error& error) {
    return std::string(to_string(error.code())) + ": " + error.what();
  }
  return "no error";
}

bool says(const std::string& message, std::string_view part) {
  CAPTURE(message);
  return message.find(part) != std::string::npos;
}

/// y = -x, [2, 3].
ModelMaker negation() {
  ModelMaker maker;
  maker.inputs = {ModelMaker::value("x", {2, 3})};
  maker.outputs = {ModelMaker::value("y", {2, 3})};
  maker.nodes = {ModelMaker::node("Neg", {"x"}, {"y"})};
  return maker;
}

}  // namespace

TEST_CASE("a model says what it takes and gives, and runs") {
  const auto model = Model::parse(bytes_of(negation().model()));
  REQUIRE(model.info().inputs.size() == 1);
  CHECK(model.info().inputs[0].name == "x");
  CHECK(model.info().inputs[0].dims == std::vector<std::int64_t>{2, 3});
  CHECK(model.info().opsets.at("") == 18);
  const Tensor x = Tensor::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {2, 3});
  const Tensor y = model.run({{"x", x}}).at("y");
  CHECK(y.at<float>({1, 2}) == -6.f);
  onnx::Session session(model);
  CHECK(session.run({{"x", x}}).at("y").tensor().at<float>({0, 1}) == -2.f);
}

TEST_CASE("inputs that do not fit are refused, saying what is expected") {
  const auto model = Model::parse(bytes_of(negation().model()));
  const auto run = [&](const onnx::Values& inputs) -> std::string {
    try {
      model.run(inputs);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::invalid_argument);
      return error.what();
    }
    return "no error";
  };
  CHECK(run({}) == "run: input \"x\" is missing");
  CHECK(run({{"z", Tensor::zeros({2, 3})}}) == "run: no input \"z\"; the model has \"x\"");
  CHECK(run({{"x", Tensor::zeros({3, 2})}}) ==
        "run: input \"x\" has shape [3, 2], expected [2, 3]");
  CHECK(run({{"x", Tensor::zeros({2, 3}, DType::i64)}}) ==
        "run: input \"x\" has dtype i64, expected f32");
}

TEST_CASE("nodes in any order run, and a cycle, a missing name and a double one do not load") {
  ModelMaker maker = negation();
  maker.nodes = {ModelMaker::node("Neg", {"a"}, {"y"}), ModelMaker::node("Abs", {"x"}, {"a"})};
  const auto model = Model::parse(bytes_of(maker.model()));
  const Tensor y = model.run({{"x", Tensor::full({2, 3}, -1)}}).at("y");
  CHECK(y.at<float>({0, 0}) == -1.f);

  maker.nodes = {ModelMaker::node("Neg", {"a"}, {"y"}), ModelMaker::node("Abs", {"y"}, {"a"})};
  CHECK(says(message_of(maker.model()), "corrupt_file: graph: nodes form a cycle"));
  maker.nodes = {ModelMaker::node("Neg", {"nowhere"}, {"y"})};
  CHECK(says(message_of(maker.model()), "nothing gives \"nowhere\" (input of node \"Neg_node\")"));
  maker.nodes = {ModelMaker::node("Neg", {"x"}, {"y"}), ModelMaker::node("Abs", {"x"}, {"y"})};
  CHECK(says(message_of(maker.model()), "two nodes give \"y\""));
}

TEST_CASE("a node with more inputs than its operator has does not load") {
  const auto message = [](const std::string& op_type, std::vector<std::string> inputs) {
    ModelMaker maker = negation();
    maker.nodes = {ModelMaker::node(op_type, std::move(inputs), {"y"})};
    return message_of(maker.model());
  };
  CHECK(says(message("Relu", {"x", "x"}), "2 inputs, expected at most 1 (node \"Relu_node\")"));
  CHECK(says(message("Add", {"x", "x", "x"}), "3 inputs, expected at most 2"));
  ModelMaker slice = negation();
  slice.nodes = {ModelMaker::node("Slice", {"x", "x", "x"}, {"y"})};
  CHECK(says(message_of(slice.model(9)), "Slice (opset 9): 3 inputs, expected at most 1"));
  CHECK(message("Relu", {"x", "", ""}) == "no error");
  CHECK(message("Sum", {"x", "x", "x", "x"}) == "no error");
}

TEST_CASE("a name that two inputs have does not load, and an initializer's is not an input") {
  ModelMaker twice = negation();
  twice.inputs.push_back(twice.inputs[0]);
  CHECK(says(message_of(twice.model()), "\"x\" is given twice"));
  ModelMaker bound = negation();
  bound.initializers = {ModelMaker::tensor("x", {1}, 1, "abcd")};
  CHECK(Model::parse(bytes_of(bound.model())).info().inputs.empty());
}

TEST_CASE("an initializer whose data is not what its shape takes does not load") {
  const auto with = [](const std::string& tensor) {
    ModelMaker maker = negation();
    maker.initializers = {tensor};
    return message_of(maker.model());
  };
  CHECK(says(with(ModelMaker::tensor("w", {1'000'000'000}, 1, "abcd")),
             "shape [1000000000] of f32 takes 4000000000 bytes, got 4"));
  CHECK(says(with(ModelMaker::tensor("w", {1LL << 40, 1LL << 40}, 1, "")), "a dimension of"));
  CHECK(says(with(ModelMaker::tensor("w", {-1}, 1, "")), "corrupt_file"));
  CHECK(says(with(ModelMaker::tensor("w", {1}, 99, "a")), "element type 99"));
}

TEST_CASE("data files must lie within the model's folder") {
  const TemporaryFolder outside;
  const std::string secret = outside.write("secret.bin", "0123456789abcdef");
  outside.write("model/data.bin", "0123456789abcdef");
  std::filesystem::create_symlink(secret, outside.path("model/link.bin"));
  const auto load = [&](const std::string& location) -> std::string {
    ModelMaker maker = negation();
    maker.initializers = {ModelMaker::external_tensor("w", 4, location)};
    try {
      Model::parse(bytes_of(maker.model()), {}, outside.path("model"));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(load("data.bin") == "");
  CHECK(says(load("../secret.bin"), "is not within the model's folder"));
  CHECK(says(load(secret), "is not within the model's folder"));
  CHECK(says(load("link.bin"), "is not within the model's folder"));
  CHECK(says(load(""), "is not within the model's folder"));
}

TEST_CASE("a field of another wire type than its number's does not load") {
  using namespace std::string_literals;
  constexpr const char* kRefusal =
      "corrupt_file: model: not a valid protobuf message: a field is "
      "of another type than its number says";
  for (const std::string& field : {
           "\x0a\x01\x01"s,          // ir_version as bytes
           "\x0d\x01\x00\x00\x00"s,  // and in 32 bits
           "\x38\x01"s,              // graph as a number
           "\x10\x01"s,              // producer_name as a number
       }) {
    CAPTURE(field);
    CHECK(says(message_of(field), kRefusal));
  }
  ModelMaker maker = negation();
  maker.initializers = {"\x12\x01\x01"s};  // data_type as bytes
  CHECK(says(message_of(maker.model()), kRefusal));
}

TEST_CASE("a cut model gives one error at any length") {
  const std::string whole = negation().model();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const std::string cut = whole.substr(0, length);
    try {
      Model::parse(bytes_of(cut));
    } catch (const Error& error) {
      CHECK((error.code() == ErrorCode::corrupt_file || error.code() == ErrorCode::unsupported));
    }
  }
}

TEST_CASE("graphs within graphs without end are refused") {
  ModelMaker maker = negation();
  std::string deep = negation().graph();
  for (int depth = 0; depth < 100; ++depth) {
    ModelMaker around = negation();
    around.nodes = {
        ModelMaker::node("Loop", {"x"}, {"y"}, {ModelMaker::graph_attribute("body", deep)})};
    deep = around.graph();
  }
  maker.nodes = {
      ModelMaker::node("Loop", {"x"}, {"y"}, {ModelMaker::graph_attribute("body", deep)})};
  CHECK(says(message_of(maker.model()), "nested deeper than 32"));
}

TEST_CASE("before opset 7 an axis says where the second operand stands") {
  ModelMaker maker;
  maker.inputs = {ModelMaker::value("x", {2, 2, 3}), ModelMaker::value("b", {2})};
  maker.outputs = {ModelMaker::value("y", {2, 2, 3})};
  maker.nodes = {ModelMaker::node(
      "Sub", {"x", "b"}, {"y"},
      {ModelMaker::int_attribute("axis", 1), ModelMaker::int_attribute("broadcast", 1)})};
  const auto model = Model::parse(bytes_of(maker.model(6)));
  const Tensor b = Tensor::from({1.f, 2.f}, {2});
  const Tensor y = model.run({{"x", Tensor::zeros({2, 2, 3})}, {"b", b}}).at("y");
  CHECK(y.at<float>({0, 0, 2}) == -1.f);
  CHECK(y.at<float>({0, 1, 0}) == -2.f);
}
