#include <doctest/doctest.h>

#include <string>

#include "cli/program.h"
#include "onnx/model_maker.h"
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

}  // namespace
}  // namespace quern
