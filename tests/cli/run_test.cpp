#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/program.h"
#include "onnx/model_maker.h"
#include "quern/npy.h"
#include "quern/tensor.h"
#include "support/temporary_folder.h"

namespace quern {
namespace {

/// y = relu(-x) of x [2, 3].
std::string two_nodes() {
  ModelMaker maker;
  maker.inputs = {ModelMaker::value("x", {2, 3}, 1)};
  maker.outputs = {ModelMaker::value("y", {2, 3}, 1)};
  maker.nodes = {ModelMaker::node("Neg", {"x"}, {"t"}), ModelMaker::node("Relu", {"t"}, {"y"})};
  return maker.model();
}

TEST_CASE("run --profile prints nodes by time and writes a Chrome trace of them") {
  const TemporaryFolder folder;
  const std::string model = folder.write("model.onnx", two_nodes());
  const std::string out = folder.path("out");
  const Run profiled = run("run " + model + " --random --plain --profile --output " + out);
  CHECK_MESSAGE(profiled.exit_code == 0, profiled.err);
  CHECK(profiled.out.find("slowest nodes") != std::string::npos);
  CHECK(profiled.out.find(out + "/trace.json") != std::string::npos);
  const std::string trace = read_file(out + "/trace.json");
  for (const std::string expected : {"traceEvents", "Neg", "Relu", "dur"})
    CHECK(trace.find(expected) != std::string::npos);

  const std::string elsewhere = folder.path("elsewhere.json");
  CHECK(run("run " + model + " --random --profile --trace " + elsewhere).exit_code == 0);
  CHECK(read_file(elsewhere).starts_with("{\"traceEvents\":["));
}

TEST_CASE("a trace that cannot be written is an error") {
  const TemporaryFolder folder;
  const std::string model = folder.write("model.onnx", two_nodes());
  const Run result = run("run " + model + " --random --profile --trace /nowhere/trace.json");
  CHECK(result.exit_code == 2);
  CHECK(result.err.find("/nowhere/trace.json") != std::string::npos);
}

TEST_CASE("run without inputs lists what the graph takes") {
  const TemporaryFolder folder;
  ModelMaker maker;
  maker.inputs = {ModelMaker::value("x", {2, 3}), ModelMaker::value("indices", {4}, 7),
                  ModelMaker::value("w", {3})};
  maker.initializers = {
      ModelMaker::tensor("w", {3}, 1, ModelMaker::raw(std::vector<float>{1, 2, 3}))};
  maker.outputs = {ModelMaker::value("y", {2, 3})};
  maker.nodes = {ModelMaker::node("Add", {"x", "w"}, {"y"})};
  const Run listed = run("run " + folder.write("model.onnx", maker.model()));
  CHECK(listed.exit_code == 0);
  for (const char* line : {"  x f32 [2, 3]\n", "  indices i64 [4]\n", "  w f32 [3] (has a value"})
    CHECK_MESSAGE(listed.out.find(line) != std::string::npos, listed.out);
  CHECK(run("run " + folder.path("model.onnx") + " --random").exit_code == 0);
}

TEST_CASE("inspect takes ONNX and single safetensors files") {
  const TemporaryFolder folder;
  ModelMaker maker;
  maker.inputs = {ModelMaker::value("x", {2, 3})};
  maker.outputs = {ModelMaker::value("y", {2, 3})};
  maker.nodes = {ModelMaker::node("Neg", {"x"}, {"t"}), ModelMaker::node("Neg", {"t"}, {"u"}),
                 ModelMaker::node("Frobnicate", {"u"}, {"y"})};
  const std::string model = folder.write("model.onnx", maker.model());
  const Run table = run("inspect " + model);
  CHECK_MESSAGE(table.exit_code == 0, table.err);
  for (const char* text : {"ONNX, IR version 9", "ai.onnx 18", "2 Neg",
                           "not supported   Frobnicate", "x f32 [2, 3]", "y f32 [2, 3]"})
    CHECK_MESSAGE(table.out.find(text) != std::string::npos, text);
  const auto json = nlohmann::json::parse(run("inspect --json " + model).out);
  CHECK(json["operators"]["Neg"] == 2);
  CHECK(json["inputs"][0]["shape"][1] == 3);

  const Run weights = run("inspect tests/data/layers_goldens.safetensors");
  CHECK_MESSAGE(weights.exit_code == 0, weights.err);
  for (const char* text : {"safetensors", "parameters", "f32"})
    CHECK_MESSAGE(weights.out.find(text) != std::string::npos, text);
  CHECK(nlohmann::json::parse(run("inspect --json tests/data/layers_goldens.safetensors").out)
            .at("tensors")
            .size() > 10);
  CHECK(run("inspect " + folder.write("broken.onnx", "\x08")).exit_code == 2);
}

/// y = -x of x [2], as a case with its data in the folder X.ortref.
void write_case(const TemporaryFolder& folder, const std::string& stem, float wanted,
                const std::string& outputs) {
  ModelMaker maker;
  maker.inputs = {ModelMaker::value("x", {2})};
  maker.outputs = {ModelMaker::value("y", {2})};
  maker.nodes = {ModelMaker::node("Neg", {"x"}, {"y"})};
  folder.write(stem + ".onnx", maker.model());
  folder.write(stem + ".ortref/meta.json",
               R"({"inputs": [{"name": "x", "file": "x.npy"}], "outputs": [)" + outputs + "]}");
  write_npy(folder.path(stem + ".ortref/x.npy"), Tensor::full({2}, 1));
  write_npy(folder.path(stem + ".ortref/y.npy"), Tensor::full({2}, wanted));
}

TEST_CASE("onnx-test finds cases however deep, names them by file, and fails what has no outputs") {
  const TemporaryFolder folder;
  const std::string y = R"({"name": "y", "file": "y.npy"})";
  write_case(folder, "one", -1, y);
  write_case(folder, "a/b/model", -1, y);
  write_case(folder, "a/b/c/model", 1, y);
  write_case(folder, "none", -1, "");
  write_case(folder, "other", -1, R"({"name": "z", "file": "y.npy"})");
  const Run result = run("onnx-test " + folder.path(""));
  CHECK(result.exit_code == 1);
  for (const char* line :
       {"pass one\n", "pass a/b/model\n",
        "FAIL a/b/c/model: ", "FAIL none: none.ortref: no expected",
        "FAIL other: other.ortref: the model has no output \"z\"", "2 passed, 3 failed"})
    CHECK_MESSAGE(result.out.find(line) != std::string::npos, result.out);
}

}  // namespace
}  // namespace quern
