#include "onnx/executable.h"

#include <doctest/doctest.h>

#include <set>
#include <thread>
#include <tuple>

#include "core/buffer.h"
#include "onnx/graph_maker.h"
#include "onnx/passes/pass.h"
#include "ops/layout.h"
#include "quern/runtime.h"
#include "support/error_code.h"
#include "support/logits.h"
#include "support/runtime_guard.h"

using namespace quern;
using namespace quern::onnx;

namespace {

/// y = exp(x + c) * tanh(x + c), with the shape of x as a second output.
Graph small_graph() {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto sum = maker.node("Add", {x, maker.constant(wavy({5}))});
  maker.output(maker.node("Mul", {maker.node("Exp", {sum}), maker.node("Tanh", {sum})}));
  maker.output(maker.node("Shape", {x}));
  return maker.graph;
}

}  // namespace

TEST_CASE("later runs with known shapes give the first one's results and take no buffers") {
  const RuntimeGuard guard;
  const Executable executable(small_graph(), 4);
  RunState state;
  const std::vector<Value> input{wavy({3, 5})};
  const auto first = executable.run(input, state);
  executable.run(input, state);
  // Room for what is given out, and for nothing else.
  const auto result = static_cast<std::int64_t>(3 * 5 * sizeof(float));
  reconfigure({.memory_limit = buffer_bytes_in_use() + result});
  const auto third = executable.run(input, state);
  CHECK(std::ranges::equal(first[0].tensor().data<float>(), third[0].tensor().data<float>()));
  CHECK(
      std::ranges::equal(third[1].tensor().data<std::int64_t>(), std::vector<std::int64_t>{3, 5}));
  RunState fresh;
  CHECK(code_of([&] { executable.run(input, fresh); }) == ErrorCode::out_of_memory);
}

TEST_CASE("results stay as they are when the memory of their run is used again") {
  const Executable executable(small_graph(), 4);
  RunState state;
  const std::vector<Value> input{wavy({3, 5})};
  const auto one = executable.run(input, state);
  const auto two = executable.run(input, state);
  const std::vector<float> kept(two[0].tensor().data<float>().begin(),
                                two[0].tensor().data<float>().end());
  const std::vector<Value> other{wavy({3, 5}, 2)};
  executable.run(other, state);
  CHECK(std::ranges::equal(kept, two[0].tensor().data<float>()));
}

namespace {

/// Relu(Conv(x) + residual), with all that a test adds to it before and after.
struct Residual {
  GraphMaker maker;
  ValueId x = maker.input("x");
  ValueId convolve(double phase) {
    return maker.node("Conv", {x, maker.constant(wavy({3, 3, 1, 1}, phase))});
  }
  ValueId add_to(ValueId residual) {
    return maker.node("Relu", {maker.node("Add", {convolve(1), residual})});
  }
};

/// Runs the graph optimised, thrice, beside the graph as it is; x must stay as it was.
void check_residual(Residual& given) {
  const Tensor x = wavy({1, 3, 4, 5}, 3);
  const Tensor before = x.clone();
  const auto expected = run_graph(given.maker.graph, {x});
  optimise(given.maker.graph);
  const Executable executable(given.maker.graph, 4);
  RunState state;
  for (int round = 0; round < 3; ++round) {
    const std::vector<Value> inputs{x};
    const auto got = executable.run(inputs, state);
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      const Tensor result = got[i].tensor().contiguous();
      CHECK(share_of_range(result, expected[i].tensor().contiguous()) < 1e-6);
    }
  }
  CHECK(std::ranges::equal(x.data<float>(), before.data<float>()));
}

}  // namespace

TEST_CASE("a residual read for the last time becomes the sum, one that is needed stays") {
  SUBCASE("read by the sum alone") {
    Residual graph;
    const auto residual = graph.maker.node("Exp", {graph.convolve(2)});
    graph.maker.output(graph.maker.node("Neg", {graph.add_to(residual)}));
    check_residual(graph);
    const auto buffers = [](const Graph& of) {
      const Executable executable(of, 1);
      RunState state;
      const std::vector<Value> inputs{wavy({1, 3, 4, 5})};
      executable.run(inputs, state);
      const std::size_t bytes = sizeof(float) * 3 * 4 * 5;  // of each tensor; scratch has others
      return std::ranges::count(state.plan->layout.slots, bytes, &ArenaLayout::Slot::bytes);
    };
    Graph needed = graph.maker.graph;
    needed.outputs.push_back(residual);
    // Kernels for CPUs without AVX2 sum in a pass of its own.
    const int kept = runtime_info().isa == "baseline" ? 0 : 1;
    CHECK(buffers(needed) == buffers(graph.maker.graph) + kept);
  }
  SUBCASE("added after a function, which no kernel sums in place") {
    Residual graph;
    const auto residual = graph.maker.node("Exp", {graph.convolve(2)});
    const auto relu = graph.maker.node("LeakyRelu", {graph.convolve(3)});
    graph.maker.output(graph.maker.node("Neg", {graph.maker.node("Add", {relu, residual})}));
    check_residual(graph);
  }
  SUBCASE("read later") {
    Residual graph;
    const auto residual = graph.convolve(2);
    const auto sum = graph.add_to(residual);
    graph.maker.output(graph.maker.node("Mul", {sum, graph.maker.node("Exp", {residual})}));
    graph.maker.output(graph.maker.node("Sub", {sum, residual}));
    check_residual(graph);
  }
  SUBCASE("an output of the graph") {
    Residual graph;
    const auto residual = graph.maker.node("Tanh", {graph.convolve(2)});
    graph.maker.output(residual);
    graph.maker.output(graph.add_to(residual));
    check_residual(graph);
  }
  SUBCASE("an input of the graph, and a view of one") {
    Residual graph;
    graph.maker.output(graph.add_to(graph.x));
    const auto shape = graph.maker.constant(Tensor::from<std::int64_t>({1, 3, 5, 4}, {4}));
    const auto back = graph.maker.constant(Tensor::from<std::int64_t>({1, 3, 4, 5}, {4}));
    const auto view = graph.maker.node("Reshape", {graph.x, shape});
    graph.maker.output(graph.add_to(graph.maker.node("Reshape", {view, back})));
    check_residual(graph);
  }
  SUBCASE("a view of what is read later") {
    Residual graph;
    const auto before = graph.maker.node("Exp", {graph.convolve(2)});
    const auto order = std::vector<std::int64_t>{0, 1, 3, 2};
    const auto turned = graph.maker.node("Transpose", {before}, {{"perm", order}});
    const auto view = graph.maker.node("Transpose", {turned}, {{"perm", order}});
    graph.maker.output(graph.add_to(view));
    graph.maker.output(graph.maker.node("Neg", {turned}));
    check_residual(graph);
  }
  SUBCASE("the source of the convolution too") {
    Residual graph;
    const auto source = graph.maker.node("Exp", {graph.convolve(2)});
    const auto conv =
        graph.maker.node("Conv", {source, graph.maker.constant(wavy({3, 3, 1, 1}, 4))});
    graph.maker.output(graph.maker.node("Add", {conv, source}));
    check_residual(graph);
  }
  SUBCASE("a constant, and what a plan keeps") {
    Residual graph;
    Tensor rows = ops::in_layout(wavy({1, 3, 4, 5}, 5), DType::f32, ops::Layout::channels_last);
    graph.maker.output(graph.add_to(graph.maker.constant(rows)));
    const auto shape = graph.maker.node("Shape", {graph.x});
    graph.maker.output(graph.add_to(graph.maker.node("ConstantOfShape", {shape})));
    check_residual(graph);
  }
}

TEST_CASE(
    "a constant that a kernel packs is kept in packed form alone, whatever the shapes of a run") {
  constexpr std::int64_t kSize = 512;
  const std::int64_t before = buffer_bytes_in_use();
  Graph graph = [] {
    GraphMaker maker;
    const auto product =
        maker.node("MatMul", {maker.input("x"), maker.constant(wavy({kSize, kSize}))});
    maker.output(maker.node("Relu", {product}));
    return std::move(maker.graph);
  }();
  optimise(graph);
  const Executable executable(std::move(graph), 4);
  RunState state;
  const auto weights_after = [&](std::initializer_list<std::int64_t> runs_of_rows) {
    for (const std::int64_t rows : runs_of_rows) {
      const std::vector<Value> inputs{wavy({rows, kSize})};
      executable.run(inputs, state);
    }
    return static_cast<double>(buffer_bytes_in_use() - before) / (kSize * kSize * sizeof(float));
  };
  CHECK(weights_after({7, 16, 130}) < 1.5);
  CHECK(weights_after({1, 4, 16}) < 2.5);  // a few rows read the matrix as it lies
}

TEST_CASE("plans are bounded, whatever the number of shapes") {
  // Each shape is new and smaller than those before, so only plans that are kept can take more.
  const auto grown_after = [](std::size_t max_plans) {
    const Executable executable(small_graph(), max_plans);
    RunState state;
    const auto run_from = [&](std::int64_t most) {
      for (std::int64_t n = most; n > most - 100; --n) {
        const std::vector<Value> input{wavy({n, 5})};
        executable.run(input, state);
      }
      return buffer_bytes_in_use();
    };
    const std::int64_t before = run_from(300);
    return run_from(200) - before;
  };
  CHECK(grown_after(4) <= 0);
  CHECK(grown_after(1000) > 0);
}

TEST_CASE("a loop without end is stopped with an error, however deep it is") {
  GraphMaker body;
  body.input("trip");
  const auto again = body.input("again");
  body.output(again);
  GraphMaker maker;
  const auto x = maker.input("x");
  maker.node("Loop", {kAbsent, kAbsent}, {{"body", std::make_shared<const Graph>(body.graph)}});
  maker.graph.nodes.back().outputs.clear();
  maker.output(maker.node("Neg", {x}));
  const Executable executable(maker.graph, 1, 1000);
  RunState state;
  const std::vector<Value> input{wavy({2, 3})};
  CHECK(code_of([&] { executable.run(input, state); }) == ErrorCode::unsupported);
}

TEST_CASE("no operator has two entries for one opset") {
  std::set<std::tuple<std::string_view, std::string_view, int>> seen;
  for (const Operator* entry : all_operators()) {
    CAPTURE(entry->op_type);
    CHECK(seen.emplace(entry->domain, entry->op_type, entry->since).second);
  }
}

TEST_CASE("one executable runs in several threads at once") {
  const Executable executable(small_graph(), 4);
  const auto expected = [&](double phase) {
    RunState state;
    const std::vector<Value> input{wavy({3, 5}, phase)};
    return executable.run(input, state)[0].tensor();
  };
  const Tensor wanted[] = {expected(0), expected(1), expected(2)};
  std::vector<int> differing(3, 0);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        RunState state;
        for (int round = 0; round < 20; ++round) {
          const std::vector<Value> input{wavy({3, 5}, static_cast<double>(t))};
          const auto got = executable.run(input, state);
          if (!std::ranges::equal(got[0].tensor().data<float>(), wanted[t].data<float>()))
            ++differing[t];
        }
      });
    }
  }
  CHECK(differing == std::vector<int>(3, 0));
}

TEST_CASE("the number of threads changes results by rounding at most") {
  GraphMaker maker;
  const auto x = maker.input("x");
  const auto conv =
      maker.node("Relu", {maker.node("Conv", {x, maker.constant(wavy({9, 5, 3, 3}))})});
  const auto mean = maker.node("GlobalAveragePool", {conv});
  const auto centred = maker.node("Softmax", {maker.node("Sub", {conv, mean})});
  maker.output(maker.node("MatMul", {centred, maker.constant(wavy({59, 31}))}));
  const Executable executable(maker.graph, 4);
  const RuntimeGuard guard;
  const auto run = [&](int threads) {
    reconfigure({.threads = threads});
    RunState state;
    const std::vector<Value> input{wavy({2, 5, 67, 61})};
    return executable.run(input, state)[0].tensor().contiguous();
  };
  const Tensor one = run(1);
  for (const int threads : {2, 3, 7}) CHECK(share_of_range(run(threads), one) <= 1e-5);
}

TEST_CASE("an unknown operator is named, with how many nodes lack a handler") {
  GraphMaker maker;
  const auto x = maker.input("x");
  maker.output(maker.node("Neg", {maker.node("Frobnicate", {x}, {}, 3)}));
  try {
    const Executable executable(maker.graph);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::unsupported);
    CHECK(
        std::string(error.what()) ==
        "operator ai.onnx::Frobnicate (opset 3) at node Frobnicate0 has no handler; 1 of 2 nodes");
  }
}

TEST_CASE("an error of a node says which") {
  GraphMaker maker;
  const auto x = maker.input("x");
  maker.output(maker.node("MatMul", {x, x}));
  const Executable executable(maker.graph, 1);
  RunState state;
  const std::vector<Value> input{wavy({2, 3})};
  try {
    executable.run(input, state);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_argument);
    CHECK(std::string(error.what()).find("(node \"MatMul0\", MatMul)") != std::string::npos);
  }
}

TEST_CASE("a map's values become a row, by the order of its keys or at the places they name") {
  using Attributes = std::vector<GraphMaker::Attribute>;
  const auto row = [](const Value& map, const Attributes& attributes) {
    GraphMaker maker;
    maker.output(maker.node("CastMap", {maker.input("x")}, attributes, 1));
    set_operator(maker.graph.nodes[0], "ai.onnx.ml", "CastMap", 1);
    const Tensor y = run_graph(maker.graph, {map})[0];
    CHECK(y.rank() == 2);
    return y.reshape({y.numel()});
  };
  const Tensor keys = Tensor::from(std::vector<std::int64_t>{7, 1, 3}, {3});
  const Value numbers = Value::map(keys, Tensor::from({2.5f, -1.f, 0.1f}, {3}));
  const Attributes sparse{{"map_form", std::string("SPARSE")}, {"max_map", std::int64_t{6}}};
  // As ONNX Runtime 1.23 gives them.
  CHECK(std::ranges::equal(row(numbers, {}).data<float>(), std::vector{-1.f, 0.1f, 2.5f}));
  CHECK(std::ranges::equal(row(numbers, sparse).data<float>(),
                           std::vector{0.f, -1.f, 0.f, 0.1f, 0.f, 0.f}));
  const Value texts =
      Value::map(keys, Tensor::from(std::vector<std::string>{"12", "-3", "4"}, {3}));
  CHECK(std::ranges::equal(row(texts, {{"cast_to", std::string("TO_INT64")}}).data<std::int64_t>(),
                           std::vector<std::int64_t>{-3, 4, 12}));
  const Value named =
      Value::map(Tensor::from(std::vector<std::string>{"a"}, {1}), Tensor::zeros({1}));
  CHECK(code_of([&] { row(named, {}); }) == ErrorCode::invalid_argument);
}
