#include "quern/layers/recurrent.h"

#include <string>

#include "core/error.h"
#include "core/format.h"
#include "quern/ops/shape.h"

namespace quern {
namespace {

/// Weights of both directions, or of one, along a new first axis.
Tensor stacked(const WeightsView& weights, const std::string& name, const Shape& shape,
               bool bidirectional) {
  Shape row{1};
  for (const std::int64_t size : shape) row.push_back(size);
  std::vector<Tensor> rows{weights.get(name, shape).tensor().reshape(row)};
  if (bidirectional) rows.push_back(weights.get(name + "_reverse", shape).tensor().reshape(row));
  return ops::concat(rows, 0);
}

/// The part of a state [layers * directions, ...] that is one layer's.
std::optional<Tensor> of_layer(const Tensor& state, std::int64_t layer, std::int64_t directions) {
  return state.slice(0, layer * directions, (layer + 1) * directions);
}

}  // namespace

Recurrent::Recurrent(Cell cell, std::int64_t in_features, std::int64_t hidden,
                     const RecurrentSettings& settings)
    : cell_(cell), in_features_(in_features), hidden_(hidden), settings_(settings) {
  require(in_features > 0 && hidden > 0 && settings.layers > 0,
          "Recurrent: sizes {}, {} and {} layers must be positive", in_features, hidden,
          settings.layers);
}

void Recurrent::load(const WeightsView& weights) {
  const std::int64_t gates = cell_ == Cell::lstm ? 4 : cell_ == Cell::gru ? 3 : 1;
  const bool both = settings_.bidirectional;
  std::vector<ops::RecurrentWeights> loaded;
  for (std::int64_t layer = 0; layer < settings_.layers; ++layer) {
    const std::string suffix = "_l" + std::to_string(layer);
    const std::int64_t in = layer == 0 ? in_features_ : hidden_ * (both ? 2 : 1);
    ops::RecurrentWeights& own = loaded.emplace_back();
    own.input = stacked(weights, "weight_ih" + suffix, {gates * hidden_, in}, both);
    own.recurrent = stacked(weights, "weight_hh" + suffix, {gates * hidden_, hidden_}, both)
                        .transpose(1, 2)
                        .contiguous()
                        .transpose(1, 2);  // as a step reads it
    if (!settings_.bias) continue;
    own.input_bias = stacked(weights, "bias_ih" + suffix, {gates * hidden_}, both);
    own.recurrent_bias = stacked(weights, "bias_hh" + suffix, {gates * hidden_}, both);
  }
  weights_ = std::move(loaded);
}

Tensor Recurrent::operator()(const Tensor& x) const { return run(x).y; }

ops::LstmResult Recurrent::run_layer(const Tensor& x, std::int64_t layer,
                                     const std::optional<RecurrentState>& initial) const {
  const auto& weights = weights_[static_cast<std::size_t>(layer)];
  ops::RecurrentOptions options{.direction = settings_.bidirectional ? ops::Direction::bidirectional
                                                                     : ops::Direction::forward};
  const std::int64_t directions = settings_.bidirectional ? 2 : 1;
  std::optional<Tensor> h, c;
  if (initial) h = of_layer(initial->h, layer, directions);
  if (cell_ == Cell::lstm) {
    if (initial) c = of_layer(initial->c, layer, directions);
    return ops::lstm(x, weights, {.h = h, .c = c}, {.common = options});
  }
  if (cell_ == Cell::rnn_relu)
    options.functions.assign(static_cast<std::size_t>(directions),
                             {.kind = ops::RecurrentFunction::Kind::relu});
  const ops::RecurrentResult result =
      cell_ == Cell::gru ? ops::gru(x, weights, h, options) : ops::rnn(x, weights, h, options);
  return {result.y, result.h, {}};
}

RecurrentOutput Recurrent::run(const Tensor& x,
                               const std::optional<RecurrentState>& initial) const {
  require(!weights_.empty(), "Recurrent: called before its weights were loaded");
  require(x.rank() == 3 && x.dim(2) == in_features_, "Recurrent: expected {}, {}], got {}",
          settings_.batch_first ? "[batch, steps" : "[steps, batch", in_features_, x.shape());
  Tensor y = settings_.batch_first ? x.transpose(0, 1) : x;
  const std::int64_t steps = y.dim(0);
  const std::int64_t batch = y.dim(1);
  const std::int64_t width = hidden_ * (settings_.bidirectional ? 2 : 1);
  std::vector<Tensor> h, c;
  for (std::int64_t layer = 0; layer < settings_.layers; ++layer) {
    const ops::LstmResult result = run_layer(y, layer, initial);
    y = result.y.transpose(1, 2).reshape({steps, batch, width});
    h.push_back(result.h);
    c.push_back(result.c);
  }
  RecurrentOutput output{.y = settings_.batch_first ? y.transpose(0, 1).contiguous() : y,
                         .state = {.h = ops::concat(h, 0), .c = {}}};
  if (cell_ == Cell::lstm) output.state.c = ops::concat(c, 0);
  return output;
}

}  // namespace quern
