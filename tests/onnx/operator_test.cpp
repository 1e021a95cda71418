#include "onnx/operator.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

namespace quern::onnx {

TEST_CASE("operators take as many inputs as the standard's schemas say") {
  std::ifstream lines("tests/data/input_counts.txt");
  std::string domain, op_type, most;
  std::int64_t since = 0;
  std::size_t least = 0;
  int checked = 0;
  while (lines >> domain >> op_type >> since >> least >> most) {
    const Operator* row = find_operator(domain == "-" ? "" : domain, op_type, since);
    if (row == nullptr) continue;
    CAPTURE(op_type);
    CAPTURE(since);
    CHECK(row->inputs.least == least);
    CHECK(row->inputs.most == (most == "any" ? kAnyNumber : std::stoull(most)));
    ++checked;
  }
  CHECK(checked > 240);
}

TEST_CASE("a node points to the row of its operator and opset") {
  Node node;
  set_operator(node, {}, "Clip", 10);
  REQUIRE(node.row != nullptr);
  CHECK(node.row->inputs.most == 1);
  set_operator(node, {}, "Clip", 13);
  CHECK(node.row->inputs.most == 3);
  set_operator(node, {}, "Clap", 13);
  CHECK(node.row == nullptr);
}

}  // namespace quern::onnx
