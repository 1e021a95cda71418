#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/mapped_file.h"
#include "io/onnx_proto.h"
#include "onnx/build.h"
#include "onnx/executable.h"
#include "onnx/graph_maker.h"
#include "onnx/row_independence.h"
#include "quern/ops.h"
#include "support/test_data.h"

namespace quern::onnx {
namespace {

using Ids = std::vector<ValueId>;

Tensor ints(const std::vector<std::int64_t>& values) {
  return Tensor::from(values, {std::ssize(values)});
}

/// x [rows, dims...] through what `make` adds; outputs are what it gives.
template <class Make>
Graph graph_of(std::vector<std::int64_t> dims, const Make& make) {
  GraphMaker maker;
  dims.insert(dims.begin(), -1);
  const ValueId x = maker.input("x", dims);
  maker.output(make(maker, x));
  return maker.graph;
}

std::vector<Value> run(const Graph& graph, const Tensor& x) {
  const Executable executable(Graph(graph), 4, 100);
  RunState state;
  return executable.run(std::vector<Value>{x}, state);
}

/// Whether rows computed together are what they are alone, in parts of 1, 2 and 3 rows.
void check_together(const Graph& graph, std::vector<std::int64_t> dims) {
  dims.insert(dims.begin(), 6);
  const Tensor x = wavy(Shape(dims));
  const Tensor together = run(graph, x)[0].tensor();
  REQUIRE(together.dim(0) == 6);
  std::int64_t row = 0;
  for (const std::int64_t count : {1, 2, 3}) {
    const Tensor alone = run(graph, x.slice(0, row, row + count).contiguous())[0].tensor();
    const Tensor part = together.slice(0, row, row + count).contiguous();
    REQUIRE(alone.shape() == part.shape());
    const Tensor a = alone.cast(DType::f64).contiguous();
    const Tensor b = part.cast(DType::f64).contiguous();
    for (std::size_t i = 0; i < a.data<double>().size(); ++i)
      CHECK(a.data<double>()[i] == doctest::Approx(b.data<double>()[i]).epsilon(1e-5));
    row += count;
  }
}

template <class Make>
void check_proved(const std::string& what, const std::vector<std::int64_t>& dims,
                  const Make& make) {
  CAPTURE(what);
  const Graph graph = graph_of(dims, make);
  CHECK(has_independent_rows(graph));
  check_together(graph, dims);
}

template <class Make>
void check_refused(const std::string& what, const std::vector<std::int64_t>& dims,
                   const Make& make) {
  CAPTURE(what);
  CHECK_FALSE(has_independent_rows(graph_of(dims, make)));
}

}  // namespace

TEST_CASE("rows are proved independent, and computed together are what they are alone") {
  const auto proved = [](const std::string& what, std::vector<std::int64_t> dims, auto make) {
    check_proved(what, dims, make);
  };
  using M = GraphMaker;
  proved("Relu", {3}, [](M& m, ValueId x) { return m.node("Relu", {x}); });
  proved("Add of a vector", {3}, [](M& m, ValueId x) {
    return m.node("Add", {x, m.constant(wavy({3}))});
  });
  proved("Softmax", {3}, [](M& m, ValueId x) { return m.node("Softmax", {x}); });
  proved("MatMul", {2, 3}, [](M& m, ValueId x) {
    return m.node("MatMul", {x, m.constant(wavy({3, 4}))});
  });
  proved("MatMul of rows with rows", {2, 3}, [](M& m, ValueId x) {
    const ValueId turned = m.node("Transpose", {x}, {{"perm", std::vector<std::int64_t>{0, 2, 1}}});
    return m.node("MatMul", {x, turned});
  });
  proved("Gemm", {3}, [](M& m, ValueId x) {
    return m.node("Gemm", {x, m.constant(wavy({3, 4})), m.constant(wavy({4}))});
  });
  proved("Conv", {2, 5, 5}, [](M& m, ValueId x) {
    return m.node("Conv", {x, m.constant(wavy({4, 2, 3, 3}))});
  });
  proved("GlobalAveragePool and Flatten", {2, 5, 5},
         [](M& m, ValueId x) { return m.node("Flatten", {m.node("GlobalAveragePool", {x})}); });
  proved("LayerNormalization", {4}, [](M& m, ValueId x) {
    return m.node("LayerNormalization", {x, m.constant(wavy({4}))});
  });
  proved("ReduceMean of the last axis", {3, 4}, [](M& m, ValueId x) {
    return m.node("ReduceMean", {x, m.constant(ints({-1}))}, {{"keepdims", std::int64_t{0}}});
  });
  proved("Transposes there and back", {3},
         [](M& m, ValueId x) { return m.node("Transpose", {m.node("Transpose", {x})}); });
  proved("Reshape that keeps axis 0", {6}, [](M& m, ValueId x) {
    return m.node("Reshape", {x, m.constant(ints({0, 2, -1}))});
  });
  proved("Reshape that infers axis 0", {6}, [](M& m, ValueId x) {
    return m.node("Reshape", {x, m.constant(ints({-1, 2, 3}))});
  });
  proved("Reshape to the count of rows, by way of many", {2, 3}, [](M& m, ValueId x) {
    const ValueId count = m.node("Gather", {m.node("Shape", {x}), m.constant(ints({0}))});
    const ValueId flat = m.node("Reshape", {x, m.constant(ints({-1, 3}))});
    const ValueId sizes =
        m.node("Concat", {count, m.constant(ints({-1}))}, {{"axis", std::int64_t{0}}});
    return m.node("Reshape", {m.node("Relu", {flat}), sizes});
  });
  proved("Expand to the count of rows", {3}, [](M& m, ValueId x) {
    const ValueId count = m.node("Gather", {m.node("Shape", {x}), m.constant(ints({0}))});
    const ValueId sizes =
        m.node("Concat", {count, m.constant(ints({3}))}, {{"axis", std::int64_t{0}}});
    const ValueId first = m.node("Expand", {m.constant(wavy({1, 3})), sizes});
    return m.node("Concat", {first, x}, {{"axis", std::int64_t{1}}});
  });
  proved("Gather of a table by rows", {3}, [](M& m, ValueId x) {
    const ValueId index = m.node("Cast", {m.node("Abs", {x})}, {{"to", std::int64_t{7}}});
    return m.node("Gather", {m.constant(wavy({5, 4})), index});
  });
}

TEST_CASE("no operator that mixes rows is proved") {
  const auto refused = [](const std::string& what, std::vector<std::int64_t> dims, auto make) {
    check_refused(what, dims, make);
  };
  using M = GraphMaker;
  const Attribute first = std::int64_t{0};
  for (const std::string op : {"Softmax", "LogSoftmax", "Hardmax", "LayerNormalization"}) {
    refused(op, {3}, [&](M& m, ValueId x) {
      Ids inputs{x};
      if (op == "LayerNormalization") inputs.push_back(m.number(1));
      return m.node(op, inputs, {{"axis", first}});
    });
  }
  refused("Softmax of opset 11 from axis 0", {3}, [&](M& m, ValueId x) {
    return m.node("Softmax", {x}, {{"axis", first}}, 11);
  });
  for (const std::string op :
       {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
        "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"}) {
    refused(op, {3}, [&](M& m, ValueId x) { return m.node(op, {x, m.constant(ints({0}))}); });
    refused(op + " of all", {3}, [&](M& m, ValueId x) {
      return m.node("Add", {x, m.node(op, {x})});
    });
  }
  for (const std::string op : {"ArgMax", "ArgMin"})
    refused(op, {3}, [&](M& m, ValueId x) { return m.node(op, {x}); });
  for (const std::string op : {"CumSum", "CumProd"})
    refused(op, {3}, [&](M& m, ValueId x) { return m.node(op, {x, m.constant(ints({0}))}); });
  refused("TopK", {3}, [&](M& m, ValueId x) {
    return m.node("TopK", {x, m.constant(ints({1}))}, {{"axis", first}});
  });
  for (const std::string op :
       {"NonZero", "Unique", "DynamicQuantizeLinear", "Compress", "Size", "ReverseSequence",
        "MeanVarianceNormalization", "Einsum", "Loop", "RandomNormalLike", "RandomUniformLike",
        "Bernoulli", "SomethingNew"})
    refused(op, {3}, [&](M& m, ValueId x) { return m.node(op, {x}); });
  refused("Transpose", {3}, [](M& m, ValueId x) { return m.node("Transpose", {x}); });
  refused("Flatten of all", {3}, [&](M& m, ValueId x) {
    return m.node("Flatten", {x}, {{"axis", first}});
  });
  refused("Flatten of all, from the end", {3}, [&](M& m, ValueId x) {
    return m.node("Flatten", {x}, {{"axis", std::int64_t{-2}}});
  });
  refused("Flatten of two axes", {3, 4}, [](M& m, ValueId x) {
    return m.node("Flatten", {x}, {{"axis", std::int64_t{2}}});
  });
  for (const std::vector<std::int64_t>& sizes :
       std::vector<std::vector<std::int64_t>>{{-1}, {2, -1}, {1, -1, 3}, {-1, 2}, {3, -1}})
    refused("Reshape", {3}, [&](M& m, ValueId x) {
      return m.node("Reshape", {x, m.constant(ints(sizes))});
    });
  refused("Concat", {3}, [&](M& m, ValueId x) {
    return m.node("Concat", {x, x}, {{"axis", first}});
  });
  refused("Split", {3}, [&](M& m, ValueId x) { return m.node("Split", {x}); });
  refused("Slice", {3}, [&](M& m, ValueId x) {
    return m.node("Slice",
                  {x, m.constant(ints({0})), m.constant(ints({1})), m.constant(ints({0}))});
  });
  refused("Gather", {3}, [&](M& m, ValueId x) {
    return m.node("Gather", {x, m.constant(ints({0}))});
  });
  refused("Tile", {3}, [&](M& m, ValueId x) {
    return m.node("Tile", {x, m.constant(ints({2, 1}))});
  });
  refused("Pad", {3}, [&](M& m, ValueId x) {
    return m.node("Pad", {x, m.constant(ints({1, 0, 0, 0}))});
  });
  refused("MatMul over rows", {3}, [](M& m, ValueId x) {
    return m.node("MatMul", {m.node("Transpose", {x}), x});
  });
  refused("MatMul by rows", {3}, [](M& m, ValueId x) {
    return m.node("MatMul", {x, m.node("Transpose", {x})});
  });
  refused("Gemm over rows", {3}, [](M& m, ValueId x) {
    return m.node("Gemm", {x, m.constant(wavy({4, 2}))}, {{"transA", std::int64_t{1}}});
  });
  refused("Gemm with a row for each", {3}, [](M& m, ValueId x) {
    return m.node("Gemm", {x, m.constant(wavy({3, 4})), m.constant(wavy({6, 4}))});
  });
  refused("Add of a table", {3}, [](M& m, ValueId x) {
    return m.node("Add", {x, m.constant(wavy({6, 3}))});
  });
  refused("Add of rows and columns", {3}, [](M& m, ValueId x) {
    return m.node("Add", {x, m.node("Transpose", {x})});
  });
  refused("LSTM whose steps are rows", {2, 3}, [](M& m, ValueId x) {
    return m.node("LSTM", {x, m.constant(wavy({1, 16, 3})), m.constant(wavy({1, 16, 4}))},
                  {{"hidden_size", std::int64_t{4}}});
  });
  refused("BatchNormalization in training", {3, 2}, [](M& m, ValueId x) {
    const ValueId c = m.constant(wavy({3}));
    return m.node("BatchNormalization", {x, c, c, c, c}, {{"training_mode", std::int64_t{1}}});
  });
  refused("a constant output", {3}, [](M& m, ValueId) { return m.node("Relu", {m.number(1)}); });
  refused("numbers made of the count of rows", {3}, [](M& m, ValueId x) {
    const ValueId count = m.node("Gather", {m.node("Shape", {x}), m.constant(ints({0}))});
    return m.node("Mul", {x, m.node("Cast", {count}, {{"to", std::int64_t{1}}})});
  });
}

namespace {

/// The inputs of the first case in `folder`; none where they are not tensors of one count of rows.
std::vector<Value> inputs_of_case(const std::filesystem::path& folder, std::size_t count) {
  std::vector<Value> inputs;
  for (std::size_t i = 0; i < count; ++i) {
    const auto file = folder / "test_data_set_0" / ("input_" + std::to_string(i) + ".pb");
    if (!std::filesystem::exists(file)) return {};
    inputs.push_back(Value::open(file.string()));
    if (!inputs.back().is_tensor() || inputs.back().tensor().rank() == 0 ||
        inputs.back().tensor().dtype() == DType::string ||
        inputs.back().tensor().dim(0) != inputs.front().tensor().dim(0))
      return {};
  }
  return inputs;
}

/// Other rows of the same kind.
Tensor other_rows(const Tensor& x) {
  const Tensor turned = x.slice(0, -1, -x.dim(0) - 1, -1).contiguous();
  return is_floating(x.dtype()) ? ops::mul(turned, Tensor::full({1}, 0.5, x.dtype())) : turned;
}

bool agree(const Tensor& got, const Tensor& want) {
  if (got.shape() != want.shape() || got.dtype() != want.dtype()) return false;
  if (got.dtype() == DType::string) return true;
  const Tensor a = got.cast(DType::f64).contiguous();
  const Tensor b = want.cast(DType::f64).contiguous();
  return std::ranges::equal(a.data<double>(), b.data<double>(), [](double x, double y) {
    return std::abs(x - y) <= 1e-3 + 1e-3 * std::abs(y) || (std::isnan(x) && std::isnan(y)) ||
           x == y;
  });
}

/// Whether the rows of a graph that was proved are together what they are alone; nothing where it
/// was not, or the case does not say.
std::optional<bool> holds(const std::filesystem::path& folder) {
  Graph graph = build_graph(
      io::onnx::read_model(io::map_file((folder / "model.onnx").string()), folder.string()));
  for (const ValueId id : graph.inputs) {
    auto& dims = graph.value(id).dims;
    if (!dims || dims->empty()) return {};
    dims->front() = -1;
  }
  if (!has_independent_rows(graph)) return {};
  const std::vector<Value> first = inputs_of_case(folder, graph.inputs.size());
  if (first.empty()) return {};
  std::vector<Value> second;
  std::vector<Value> both;
  for (const Value& x : first) {
    second.push_back(other_rows(x.tensor()));
    both.push_back(ops::concat(std::vector{x.tensor(), second.back().tensor()}, 0));
  }
  const std::int64_t rows = first.front().tensor().dim(0);
  const Executable executable(std::move(graph), 8, 100);
  RunState state;
  const auto a = executable.run(first, state);
  const auto b = executable.run(second, state);
  const auto together = executable.run(both, state);
  for (std::size_t i = 0; i < together.size(); ++i) {
    const Tensor& all = together[i].tensor();
    if (all.rank() == 0 || all.dim(0) != 2 * rows || !agree(all.slice(0, 0, rows), a[i]) ||
        !agree(all.slice(0, rows, 2 * rows), b[i]))
      return false;
  }
  return true;
}

}  // namespace

TEST_CASE("what is proved holds for the standard's cases, their first axis taken as rows") {
  const auto folder = test_data("onnx/node");
  if (!folder) return;
  int proved = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    std::optional<bool> is_so;
    try {
      is_so = holds(entry.path());
    } catch (const Error&) {  // its other inputs do not go with so many rows
      continue;
    }
    if (!is_so) continue;
    CHECK(*is_so);
    ++proved;
  }
  MESSAGE(proved, " cases are proved");
  CHECK(proved > 100);
}

}  // namespace quern::onnx
