#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "onnx/graph.h"
#include "onnx/graph_maker.h"

namespace quern::random_graphs {

/// Choices that follow from a seed alone.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  std::int64_t below(std::int64_t count) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(count));
  }
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + below(most - least + 1);
  }
  bool chance(int percent) { return below(100) < percent; }
  template <class T>
  T one_of(std::initializer_list<T> list) {
    return list.begin()[below(static_cast<std::int64_t>(list.size()))];
  }
  template <class T>
  const T& one_of(const std::vector<T>& list) {
    return list[static_cast<std::size_t>(below(static_cast<std::int64_t>(list.size())))];
  }

 private:
  std::mt19937_64 random_;
};

/// A graph that grows by nodes that can run: each runs at once by its own kernel, on what those
/// before it gave, with no executable, plan or pass between. What passes give is compared with
/// that.
class GrowingGraph {
 public:
  using ValueId = quern::onnx::ValueId;
  using Attribute = GraphMaker::Attribute;
  using Shape = quern::Shape;
  using Tensor = quern::Tensor;

  explicit GrowingGraph(std::uint64_t seed) : dice(seed) {}

  /// Small multiples of 1/8, so that sums of products are exact in any order; sometimes NaN and
  /// infinities among them.
  Tensor numbers(const Shape& shape);
  ValueId input(const Shape& shape);
  ValueId constant(Tensor value);
  ValueId number(float value) { return constant(Tensor::scalar(value)); }
  ValueId ints(std::vector<std::int64_t> values);
  /// An input, a constant, or what a node gave, as it happens.
  ValueId operand(const Shape& shape);
  /// A number in a constant of up to `most_axes` axes, mostly none.
  ValueId loose_number(float value, int most_axes = 4);

  /// Throws: Error where the node cannot run.
  ValueId node(const std::string& op_type, std::vector<ValueId> inputs,
               std::vector<Attribute> attributes = {}, std::int64_t opset = 20,
               std::size_t outputs = 1);
  /// As `node`, on two inputs in either order.
  ValueId either(const std::string& op_type, ValueId a, ValueId b);

  const Tensor& value(ValueId id) const { return values.at(id); }
  const Shape& shape(ValueId id) const { return value(id).shape(); }
  int rank(ValueId id) const { return shape(id).rank(); }

  /// Other values for all inputs.
  std::vector<quern::onnx::Value> other_inputs();

  Dice dice;
  GraphMaker maker;
  std::map<ValueId, Tensor> values;  ///< of inputs, constants and nodes
  bool has_ends = false;             ///< whether NaN and infinities are among the numbers
  double absolute = 2e-6;            ///< what results may be off by, at values of about 1
  double relative = 2e-5;
  double step = 0;  ///< what they may be off by besides: a step of bytes that floats are stored as
  bool underflows = false;  ///< whether infinities have factors that are 0 or tiny as they round

 private:
  void remember_shape(ValueId id);
};

/// The values of a graph's outputs, each node run by its own kernel. Throws: Error.
std::vector<quern::Tensor> run_plainly(const quern::onnx::Graph& graph,
                                       const std::vector<quern::onnx::Value>& inputs,
                                       std::map<quern::onnx::ValueId, quern::Tensor>& values);

/// Adds what one or another pass looks for, or almost.
void grow(GrowingGraph& graph);

}  // namespace quern::random_graphs
