#include <doctest/doctest.h>

#include <string>

#include "onnx/model_maker.h"
#include "quern/onnx.h"

namespace quern {
namespace {

using onnx::Model;
using Maker = ModelMaker;

/// A value of a dtype, of which no shape is known.
std::string unshaped(const std::string& name, std::int32_t element_type) {
  return Maker::message([&](Maker::Writer& writer) {
    writer.add_string(1, name);
    writer.add_message(2, Maker::message([&](Maker::Writer& type) {
                         type.add_message(1, Maker::message([&](Maker::Writer& tensor) {
                                            tensor.add_int32(1, element_type);
                                          }));
                       }));
  });
}

/// Of which nothing is known.
std::string undeclared(const std::string& name) {
  return Maker::message([&](Maker::Writer& writer) { writer.add_string(1, name); });
}

/// A Loop of n trips that collects, of a carried [2, 3] i64, each trip's value.
std::string collecting_loop(const std::string& declared) {
  Maker body;
  body.inputs = {Maker::value("i", {}, kInt), Maker::value("c", {}, kBool), undeclared("v")};
  body.nodes = {Maker::node("Identity", {"c"}, {"c2"}), Maker::node("Neg", {"v"}, {"v2"}),
                Maker::node("Identity", {"v2"}, {"row"})};
  body.outputs = {Maker::value("c2", {}, kBool), undeclared("v2"), declared};
  Maker maker;
  maker.inputs = {Maker::value("n", {}, kInt), Maker::value("v0", {2, 3}, kInt)};
  maker.outputs = {undeclared("last"), undeclared("rows")};
  maker.nodes = {Maker::node("Loop", {"n", "", "v0"}, {"last", "rows"},
                             {Maker::graph_attribute("body", body.graph())})};
  return maker.model();
}

TEST_CASE("what a Loop collects in no trips has the dtype and shape of what it would") {
  for (const std::string& declared :
       {Maker::value("row", {2, 3}, kInt), unshaped("row", kInt), undeclared("row")}) {
    for (const bool optimise : {true, false}) {
      const auto model = Model::parse(bytes_of(collecting_loop(declared)), {.optimise = optimise});
      for (const std::int64_t trips : {0, 2, 0}) {
        const Tensor rows =
            model.run({{"n", Tensor::scalar(trips)}, {"v0", Tensor::full({2, 3}, 4, DType::i64)}})
                .at("rows");
        CHECK(rows.dtype() == DType::i64);
        CHECK(rows.shape() == Shape{trips, 2, 3});
      }
    }
  }
}

TEST_CASE("what a Scan over nothing collects has the dtype and shape of what it would") {
  for (const std::string& declared : {Maker::value("row", {3}), undeclared("row")}) {
    Maker body;
    body.inputs = {undeclared("s"), undeclared("x")};
    body.nodes = {Maker::node("Add", {"s", "x"}, {"s2"}), Maker::node("Identity", {"s2"}, {"row"})};
    body.outputs = {undeclared("s2"), declared};
    Maker maker;
    maker.inputs = {Maker::value("s0", {3}), undeclared("xs")};
    maker.outputs = {undeclared("last"), undeclared("rows")};
    maker.nodes = {Maker::node("Scan", {"s0", "xs"}, {"last", "rows"},
                               {Maker::graph_attribute("body", body.graph()),
                                Maker::int_attribute("num_scan_inputs", 1)})};
    const auto model = Model::parse(bytes_of(maker.model()));
    const onnx::Values got =
        model.run({{"s0", Tensor::full({3}, 2)}, {"xs", Tensor::zeros({0, 3})}});
    CHECK(got.at("rows").tensor().shape() == Shape{0, 3});
    CHECK(got.at("last").tensor().at<float>({1}) == 2.f);
  }
}

TEST_CASE("random numbers of a branch or a loop's body differ from run to run") {
  const std::string draw =
      Maker::node("RandomNormal", {}, {"r"}, {Maker::ints_attribute("shape", {4})});
  Maker branch;
  branch.nodes = {draw};
  branch.outputs = {Maker::value("r", {4})};
  Maker nested;
  nested.nodes = {Maker::node("If", {"c"}, {"r2"},
                              {Maker::graph_attribute("then_branch", branch.graph()),
                               Maker::graph_attribute("else_branch", branch.graph())})};
  nested.outputs = {Maker::value("r2", {4})};
  Maker body;
  body.inputs = {Maker::value("i", {}, kInt), Maker::value("k", {}, kBool)};
  body.nodes = {draw, Maker::node("Identity", {"k"}, {"k2"})};
  body.outputs = {Maker::value("k2", {}, kBool), Maker::value("r", {4})};
  const std::string nodes[] = {
      draw,
      Maker::node("If", {"c"}, {"r"},
                  {Maker::graph_attribute("then_branch", branch.graph()),
                   Maker::graph_attribute("else_branch", branch.graph())}),
      Maker::node("If", {"c"}, {"r"},
                  {Maker::graph_attribute("then_branch", nested.graph()),
                   Maker::graph_attribute("else_branch", nested.graph())}),
      Maker::node("Loop", {"n", ""}, {"r"}, {Maker::graph_attribute("body", body.graph())})};
  for (const std::string& node : nodes) {
    Maker maker;
    maker.initializers = {Maker::tensor("c", {}, kBool, std::string(1, '\1')),
                          Maker::tensor("n", {}, kInt, Maker::raw(std::vector<std::int64_t>{1}))};
    maker.nodes = {node, Maker::node("Relu", {"r"}, {"y"})};
    maker.outputs = {undeclared("y"), undeclared("r")};
    for (const bool optimise : {true, false}) {
      const auto model = Model::parse(bytes_of(maker.model()), {.optimise = optimise});
      onnx::Session session(model);
      const auto first = [&] {
        const Tensor r = session.run({}).at("r").tensor().contiguous();
        return r.data<float>()[0];
      };
      const float drawn = first();
      CHECK(first() != drawn);
      CHECK(first() != drawn);
    }
  }
}

}  // namespace
}  // namespace quern
