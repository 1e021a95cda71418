#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "onnx/graph_maker.h"

/// Runs a pass on the maker's graph and checks that results stay the same and that the graph is
/// then made of `expected`.
inline void check_pass(GraphMaker& maker, bool (*pass)(quern::onnx::Graph&),
                       const std::vector<quern::onnx::Value>& inputs,
                       const std::vector<std::string>& expected) {
  const auto before = run_graph(maker.graph, inputs);
  CHECK(pass(maker.graph));
  CHECK(maker.op_types() == expected);
  const auto after = run_graph(maker.graph, inputs);
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const quern::Tensor want = before[i].tensor().contiguous();
    const quern::Tensor got = after[i].tensor().contiguous();
    REQUIRE(want.shape() == got.shape());
    for (std::size_t k = 0; k < want.data<float>().size(); ++k)
      CHECK(got.data<float>()[k] == doctest::Approx(want.data<float>()[k]).epsilon(1e-4));
  }
}
