#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "quern/layers/module.h"
#include "quern/ops/recurrent.h"

namespace quern {

struct RecurrentSettings {
  std::int64_t layers = 1;  ///< each reads the states of the one before
  bool bidirectional = false;
  bool batch_first =
      false;  ///< x and result are [batch, steps, ...] instead of [steps, batch, ...]
  bool bias = true;
};

/// The last states of every layer and direction, as PyTorch orders them.
struct RecurrentState {
  Tensor h;  ///< [layers * directions, batch, hidden]
  Tensor c;  ///< LSTM only
};

struct RecurrentOutput {
  Tensor y;  ///< states h of the last layer: [steps, batch, directions * hidden]
  RecurrentState state;
};

/// What RNN, GRU and LSTM share: x [steps, batch, in_features] -> y [steps, batch, directions *
/// hidden], floating.
/// Weights of layer i, gates in PyTorch's order: "weight_ih_li", "weight_hh_li" and, with `bias`,
/// "bias_ih_li", "bias_hh_li"; those of the reverse direction end in "_reverse".
class QUERN_API Recurrent : public Module {
 public:
  void load(const WeightsView& weights) override;
  /// From states of zeros.
  Tensor operator()(const Tensor& x) const override;
  /// From `initial`; its c is not read but by LSTM.
  RecurrentOutput run(const Tensor& x, const std::optional<RecurrentState>& initial = {}) const;

 protected:
  enum class Cell { rnn_tanh, rnn_relu, gru, lstm };
  Recurrent(Cell cell, std::int64_t in_features, std::int64_t hidden,
            const RecurrentSettings& settings);

 private:
  ops::LstmResult run_layer(const Tensor& x, std::int64_t layer,
                            const std::optional<RecurrentState>& initial) const;

  Cell cell_;
  std::int64_t in_features_;
  std::int64_t hidden_;
  RecurrentSettings settings_;
  std::vector<ops::RecurrentWeights> weights_;
};

class QUERN_API RNN : public Recurrent {
 public:
  enum class Nonlinearity { tanh, relu };
  RNN(std::int64_t in_features, std::int64_t hidden, const RecurrentSettings& settings = {},
      Nonlinearity function = Nonlinearity::tanh)
      : Recurrent(function == Nonlinearity::relu ? Cell::rnn_relu : Cell::rnn_tanh, in_features,
                  hidden, settings) {}
};

class QUERN_API GRU : public Recurrent {
 public:
  GRU(std::int64_t in_features, std::int64_t hidden, const RecurrentSettings& settings = {})
      : Recurrent(Cell::gru, in_features, hidden, settings) {}
};

class QUERN_API LSTM : public Recurrent {
 public:
  LSTM(std::int64_t in_features, std::int64_t hidden, const RecurrentSettings& settings = {})
      : Recurrent(Cell::lstm, in_features, hidden, settings) {}
};

}  // namespace quern
