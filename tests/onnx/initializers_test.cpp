#include <doctest/doctest.h>

#include <string>
#include <thread>

#include "onnx/model_maker.h"
#include "quern/onnx.h"
#include "support/error_code.h"

namespace quern {
namespace {

using onnx::Model;
using Floats = std::vector<float>;
using Ints = std::vector<std::int64_t>;

Floats values_of(const onnx::Value& value) {
  const Tensor dense = value.tensor().contiguous();
  const auto values = dense.data<float>();
  return {values.begin(), values.end()};
}

/// y = x * (w + v), all [2]; w and v are inputs with a value of the file, [10, 20] and [0, 1].
ModelMaker with_defaults() {
  ModelMaker maker;
  for (const char* name : {"x", "w", "v"}) maker.inputs.push_back(ModelMaker::value(name, {2}));
  maker.initializers = {ModelMaker::tensor("w", {2}, kFloat, ModelMaker::raw(Floats{10, 20})),
                        ModelMaker::tensor("v", {2}, kFloat, ModelMaker::raw(Floats{0, 1}))};
  maker.outputs = {ModelMaker::value("y", {2})};
  maker.nodes = {ModelMaker::node("Add", {"w", "v"}, {"s"}),
                 ModelMaker::node("Mul", {"x", "s"}, {"y"})};
  return maker;
}

TEST_CASE("an input with a value in the file takes the caller's where one is given") {
  for (const std::int64_t ir_version : {3, 9}) {
    ModelMaker maker = with_defaults();
    maker.ir_version = ir_version;
    const auto model = Model::parse(bytes_of(maker.model()));
    REQUIRE(model.info().inputs.size() == 1);
    REQUIRE(model.info().defaulted.size() == 2);
    CHECK(model.info().defaulted[1].name == "v");
    const Tensor x = Tensor::from({1.f, 2.f}, {2});
    const Tensor given = Tensor::from({5.f, 7.f}, {2});
    onnx::Session session(model);
    for (int round = 0; round < 2; ++round) {
      CHECK(values_of(session.run({{"x", x}}).at("y")) == Floats{10, 42});
      CHECK(values_of(session.run({{"x", x}, {"w", given}}).at("y")) == Floats{5, 16});
      CHECK(values_of(model.run({{"x", x}, {"v", given}}).at("y")) == Floats{15, 54});
      CHECK(values_of(model.run({{"v", x}, {"w", given}, {"x", x}}).at("y")) == Floats{6, 18});
    }
    CHECK(code_of([&] { model.run({{"w", given}}); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] {
            model.run({{"x", x}, {"w", Tensor::zeros({3})}});
          }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { model.run({{"x", x}, {"s", x}}); }) == ErrorCode::invalid_argument);
  }
}

TEST_CASE("a subgraph sees the value that the caller gives") {
  ModelMaker branch;
  branch.outputs = {ModelMaker::value("b", {2})};
  branch.nodes = {ModelMaker::node("Add", {"w", "v"}, {"b"})};
  ModelMaker maker = with_defaults();
  maker.inputs.push_back(ModelMaker::value("c", {}, 9));
  maker.nodes = {ModelMaker::node("If", {"c"}, {"s"},
                                  {ModelMaker::graph_attribute("then_branch", branch.graph()),
                                   ModelMaker::graph_attribute("else_branch", branch.graph())}),
                 ModelMaker::node("Mul", {"x", "s"}, {"y"})};
  const auto model = Model::parse(bytes_of(maker.model()));
  const onnx::Values inputs{{"x", Tensor::full({2}, 1)},
                            {"c", Tensor::scalar(true)},
                            {"w", Tensor::from({5.f, 7.f}, {2})}};
  CHECK(values_of(model.run(inputs).at("y")) == Floats{5, 8});
}

TEST_CASE("threads that give different inputs have their own") {
  const auto model = Model::parse(bytes_of(with_defaults().model()));
  const auto check = [&](const char* name, float expected) {
    for (int i = 0; i < 50; ++i) {
      const Tensor one = Tensor::full({2}, 1);
      const auto y = model.run({{"x", one}, {name, one}}).at("y");
      if (values_of(y)[0] != expected) return false;
    }
    return true;
  };
  bool first = false;
  std::thread other([&] { first = check("w", 1); });
  const bool second = check("v", 11);
  other.join();
  CHECK(first);
  CHECK(second);
}

/// y = x + a sparse constant of `dims`, as an initializer or as a Constant.
std::string with_sparse(const Ints& index_dims, const Ints& indices, const Ints& dims,
                        bool as_node = false) {
  const std::string sparse = ModelMaker::sparse_tensor(
      ModelMaker::tensor("s", {2}, kFloat, ModelMaker::raw(Floats{3, 4})),
      ModelMaker::tensor("", index_dims, kInt, ModelMaker::raw(indices)), dims);
  ModelMaker maker;
  maker.inputs = {ModelMaker::value("x", {1})};
  maker.outputs = {ModelMaker::value("y", {2, 3})};
  if (as_node) {
    maker.nodes = {ModelMaker::node("Constant", {}, {"s"},
                                    {ModelMaker::sparse_attribute("sparse_value", sparse)})};
  } else {
    maker.sparse_initializers = {sparse};
  }
  maker.nodes.push_back(ModelMaker::node("Add", {"x", "s"}, {"y"}));
  return maker.model();
}

TEST_CASE("sparse constants are read, by places or by coordinates") {
  for (const bool as_node : {false, true}) {
    for (const auto& [index_dims, indices] :
         {std::pair{Ints{2}, Ints{1, 5}}, std::pair{Ints{2, 2}, Ints{0, 1, 1, 2}}}) {
      const auto model = Model::parse(bytes_of(with_sparse(index_dims, indices, {2, 3}, as_node)));
      CHECK(values_of(model.run({{"x", Tensor::from({1.f}, {1})}}).at("y")) ==
            Floats{1, 4, 1, 1, 1, 5});
    }
  }
}

TEST_CASE("sparse constants whose indices do not fit do not load") {
  const auto code = [](const std::string& model) {
    return code_of([&] { Model::parse(bytes_of(model)); });
  };
  CHECK(code(with_sparse({2}, {1, 6}, {2, 3})) == ErrorCode::corrupt_file);
  CHECK(code(with_sparse({2}, {-1, 5}, {2, 3})) == ErrorCode::corrupt_file);
  CHECK(code(with_sparse({2, 2}, {0, 3, 1, 2}, {2, 3})) == ErrorCode::corrupt_file);
  CHECK(code(with_sparse({3}, {1, 2, 3}, {2, 3})) == ErrorCode::corrupt_file);
  CHECK(code(with_sparse({2}, {1, 5}, {2, -3})) == ErrorCode::corrupt_file);
  CHECK(code(with_sparse({2}, {1, 5}, {1LL << 40, 1LL << 40})) == ErrorCode::corrupt_file);
  CHECK(code(with_sparse({2}, {1, 5}, {1LL << 40})) == ErrorCode::out_of_memory);
  CHECK(code(with_sparse({2}, {1, 5}, {0})) == ErrorCode::corrupt_file);
}

}  // namespace
}  // namespace quern
