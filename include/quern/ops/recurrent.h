#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "quern/export.h"
#include "quern/tensor.h"

/// Recurrent networks: x [steps, batch, in] is read a step at a time. Floating dtypes; weights and
/// states of any floating dtype.
namespace quern::ops {

/// `bidirectional` is forward and reverse side by side: two directions, where the others are one.
enum class Direction { forward, reverse, bidirectional };

/// A function of gates and states.
struct RecurrentFunction {
  enum class Kind {
    // clang-format off
    sigmoid, tanh, relu,
    affine,            // alpha * x + beta
    leaky_relu,        // below 0: alpha * x
    thresholded_relu,  // x above alpha, else 0
    scaled_tanh,       // alpha * tanh(beta * x)
    hard_sigmoid,      // alpha * x + beta within [0, 1]
    elu,               // below 0: alpha * (exp(x) - 1)
    softsign, softplus
    // clang-format on
  } kind = Kind::tanh;
  float alpha = 0.f;
  float beta = 0.f;
};

/// For each direction, the gates of a cell one after another.
struct RecurrentWeights {
  Tensor input;                            ///< [directions, gates * hidden, in]
  Tensor recurrent;                        ///< [directions, gates * hidden, hidden]
  std::optional<Tensor> input_bias{};      ///< [directions, gates * hidden]
  std::optional<Tensor> recurrent_bias{};  ///< [directions, gates * hidden]
};

struct RecurrentOptions {
  Direction direction = Direction::forward;
  /// [batch] i32 or i64: steps of each sequence, the rest of which is not read; results beyond are
  /// 0 and the last state is that of the last step read. None: all steps.
  std::optional<Tensor> lengths{};
  float clip = 0.f;  ///< what the functions are given is limited to [-clip, clip]; 0: not
  /// For each direction the functions that the cell names; none for the usual ones.
  std::vector<RecurrentFunction> functions{};
};

struct RecurrentResult {
  Tensor y;  ///< every state h: [steps, directions, batch, hidden]
  Tensor h;  ///< the last: [directions, batch, hidden]
};

/// h = f(W x + R h), f tanh. `initial` [directions, batch, hidden], default 0.
QUERN_API RecurrentResult rnn(const Tensor& x, const RecurrentWeights& weights,
                              const std::optional<Tensor>& initial = {},
                              const RecurrentOptions& options = {});

/// Whether the reset gate applies to the state before its product with the weights or after.
enum class GruReset { before_product, after_product };

/// Gates r, z, n: h = (1 - z) * n + z * h, where r and z are f(W x + R h), f sigmoid, and n is
/// g(W x + r * (R h)) or g(W x + R (r * h)), g tanh.
QUERN_API RecurrentResult gru(const Tensor& x, const RecurrentWeights& weights,
                              const std::optional<Tensor>& initial = {},
                              const RecurrentOptions& options = {},
                              GruReset reset = GruReset::after_product);

struct LstmState {
  std::optional<Tensor> h{};  ///< [directions, batch, hidden], default 0
  std::optional<Tensor> c{};
};

struct LstmOptions {
  RecurrentOptions common{};
  std::optional<Tensor> peepholes{};  ///< [directions, 3 * hidden] of gates i, f, o
  bool coupled = false;               ///< gate f is 1 - i
};

struct LstmResult {
  Tensor y;  ///< as RecurrentResult
  Tensor h;
  Tensor c;  ///< the last cell state
};

/// Gates i, f, g, o: c = f * c + i * g and h = o * h(c), where i, f and o are f(W x + R h + P c), f
/// sigmoid, and g is g(W x + R h); g and h are tanh. Functions in the order f, g, h.
QUERN_API LstmResult lstm(const Tensor& x, const RecurrentWeights& weights,
                          const LstmState& initial = {}, const LstmOptions& options = {});

}  // namespace quern::ops
