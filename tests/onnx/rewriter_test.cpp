#include "onnx/passes/rewriter.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "onnx/graph_maker.h"

namespace quern::onnx {
namespace {

/// What a scan of the graph finds.
std::vector<const Node*> readers_of(Rewriter& rewriter, ValueId id) {
  std::vector<const Node*> found;
  for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
    const Node& node = rewriter.node(i);
    const auto times = rewriter.is_removed(i) ? 0 : std::ranges::count(node.inputs, id);
    found.insert(found.end(), static_cast<std::size_t>(times), &node);
  }
  return found;
}

void check_readers(Rewriter& rewriter) {
  const Graph& graph = rewriter.graph();
  for (ValueId id = 0; id < std::ssize(graph.values); ++id) {
    CAPTURE(id);
    const auto found = readers_of(rewriter, id);
    const auto as_output = static_cast<std::size_t>(std::ranges::count(graph.outputs, id));
    CHECK(rewriter.reads(id) == found.size() + as_output);
    const bool is_one = found.size() == 1 && as_output == 0;
    CHECK(rewriter.only_reader(id) == (is_one ? found[0] : nullptr));
  }
}

}  // namespace

TEST_CASE("a rewriter knows who reads a value, whatever it has changed") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto below = [&](std::size_t count) {
      return static_cast<std::size_t>(random() % count);
    };
    GraphMaker maker;
    std::vector<ValueId> values{maker.input("x"), maker.input("y"), maker.number(2)};
    for (int i = 0; i < 30; ++i) {
      const ValueId a = values[values.size() - 1 - below(3)];
      values.push_back(maker.node("Add", {a, values[below(values.size())]}));
    }
    maker.output(values.back());
    maker.output(values[below(values.size())]);
    Rewriter rewriter(maker.graph);
    check_readers(rewriter);
    for (int change = 0; change < 40; ++change) {
      const std::size_t place = below(rewriter.node_count());
      if (rewriter.is_removed(place)) continue;
      Node& node = rewriter.node(place);
      switch (below(4)) {
        case 0:
          rewriter.replace(node.outputs[0], values[below(3)]);
          rewriter.remove(node);
          break;
        case 1:
          rewriter.set_inputs(node, {values[below(3)], values[below(3)]});
          break;
        case 2: {
          const ValueId made = rewriter.add_constant("made", Tensor::scalar(1.f));
          rewriter.set_inputs(node, {node.input(0), made});
          break;
        }
        default: {
          Node* before = rewriter.producer(node.input(0));
          if (before == nullptr || before == &node) break;
          Node* const replaced[] = {before};
          rewriter.replace(before->outputs[0], values[0]);
          rewriter.substitute(node, make_node(node, "Neg", {values[below(3)]}, {}, 13), replaced);
        }
      }
      check_readers(rewriter);
    }
  }
}

}  // namespace quern::onnx
