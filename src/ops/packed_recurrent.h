#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ops/packed_matmul.h"
#include "quern/ops/recurrent.h"

namespace quern::ops {

/// The weights of a recurrent network, laid out once as its steps read them.
///
/// Immutable, so safe to share between threads.
class PackedRecurrent {
 public:
  enum class Cell { rnn, gru, lstm };
  struct OneDirection {
    std::optional<PackedMatMul> projection;  ///< Wᵀ; none in f64
    Tensor input;                            ///< W in f64
    Tensor recurrent;                        ///< in f32 the panels of each gate's Rᵀ; in f64 Rᵀ
    Tensor bias;                             ///< of gates: both where r cannot come between
    Tensor recurrent_bias;                   ///< [gates * hidden]
  };

  /// For sources in f64 if `wide`, and else in other floating dtypes. Throws: `invalid_argument`.
  PackedRecurrent(Cell cell, const RecurrentWeights& weights, Direction direction, bool wide);

  /// "rnn", "gru" or "lstm".
  const char* name() const noexcept;
  Direction direction() const noexcept { return direction_; }
  bool is_wide() const noexcept { return wide_; }
  std::int64_t in() const noexcept { return in_; }
  std::int64_t hidden() const noexcept { return hidden_; }
  std::int64_t gates() const noexcept;
  const std::vector<OneDirection>& directions() const noexcept { return directions_; }

 private:
  Cell cell_;
  Direction direction_;
  bool wide_;
  std::int64_t in_, hidden_;
  std::vector<OneDirection> directions_;
};

/// As the functions of `quern/ops/recurrent.h`. `options.direction` does not count: the weights'
/// does.
RecurrentResult rnn(const Tensor& x, const PackedRecurrent& weights,
                    const std::optional<Tensor>& initial, const RecurrentOptions& options);
RecurrentResult gru(const Tensor& x, const PackedRecurrent& weights,
                    const std::optional<Tensor>& initial, const RecurrentOptions& options,
                    GruReset reset);
LstmResult lstm(const Tensor& x, const PackedRecurrent& weights, const LstmState& initial,
                const LstmOptions& options);

}  // namespace quern::ops
