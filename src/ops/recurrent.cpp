#include <Eigen/Core>
#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/format.h"
#include "ops/packed_weight.h"
#include "ops/recurrent_function.h"

namespace quern::ops {
namespace {

using Kind = RecurrentFunction::Kind;

/// RecurrentSizes of a network, checked.
struct RecurrentSizes {
  std::int64_t steps, batch, in, directions, hidden, gates;
};

/// y = weight · x for rows of T.
template <class T>
class Projection;

template <>
class Projection<float> {
 public:
  explicit Projection(const Tensor& weight) : weight_(Weight(weight)) {}
  void operator()(const float* src, std::int64_t rows, float* dst) const {
    weight_.multiply(src, rows, dst, {});
  }

 private:
  PackedWeight weight_;
};

template <>
class Projection<double> {
 public:
  explicit Projection(const Tensor& weight) : weight_(weight) {}
  void operator()(const double* src, std::int64_t rows, double* dst) const {
    using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const std::int64_t out = weight_.dim(0);
    const std::int64_t in = weight_.dim(1);
    const Eigen::Map<const Matrix> weight(weight_.data<double>().data(), out, in);
    Eigen::Map<Matrix>(dst, rows, out) =
        Eigen::Map<const Matrix>(src, rows, in) * weight.transpose();
  }

 private:
  Tensor weight_;
};

/// One direction of a network in T: its weights, and the loop over steps that all cells share.
template <class T>
class Pass {
 public:
  Pass(const RecurrentSizes& sizes, const RecurrentWeights& weights, std::int64_t direction)
      : sizes_(sizes),
        input_(rows(weights.input, direction)),
        recurrent_(rows(weights.recurrent, direction)),
        input_bias_(bias(weights.input_bias, direction)),
        recurrent_bias_(bias(weights.recurrent_bias, direction)) {}

  const Tensor& recurrent() const { return recurrent_; }
  const T* recurrent_bias() const { return recurrent_bias_.template data<T>().data(); }

  /// [steps, batch, gates * hidden]: W x + its bias.
  Tensor project(const Tensor& x) const {
    Tensor projected =
        Tensor::empty({sizes_.steps, sizes_.batch, sizes_.gates * sizes_.hidden}, dtype_of<T>);
    const std::int64_t count = sizes_.steps * sizes_.batch;
    T* dst = projected.template mutable_data<T>().data();
    Projection<T>{input_}(x.data<T>().data(), count, dst);
    add_bias(dst, count, input_bias_.template data<T>().data());
    return projected;
  }

  static void add_bias(T* rows, std::int64_t count, const T* bias, std::int64_t size) {
    for (std::int64_t row = 0; row < count; ++row, rows += size) {
      for (std::int64_t i = 0; i < size; ++i) rows[i] += bias[i];
    }
  }
  void add_bias(T* rows, std::int64_t count, const T* bias) const {
    add_bias(rows, count, bias, sizes_.gates * sizes_.hidden);
  }

 private:
  static Tensor rows(const Tensor& all, std::int64_t direction) {
    return all.slice(0, direction, direction + 1)
        .reshape({all.dim(1), all.dim(2)})
        .cast(dtype_of<T>)
        .contiguous();
  }
  Tensor bias(const std::optional<Tensor>& all, std::int64_t direction) const {
    if (!all) return Tensor::zeros({sizes_.gates * sizes_.hidden}, dtype_of<T>);
    return all->slice(0, direction, direction + 1)
        .reshape({all->dim(1)})
        .cast(dtype_of<T>)
        .contiguous();
  }

  RecurrentSizes sizes_;
  Tensor input_, recurrent_, input_bias_, recurrent_bias_;
};

/// Gates of all items at one step -> their new state h, given the old one.
template <class T>
class RnnCell {
 public:
  RnnCell(const RecurrentSizes& sizes, const Pass<T>& pass, RecurrentFunctions functions)
      : sizes_(sizes), pass_(pass), functions_(functions), product_(pass.recurrent()) {}

  void prepare(const T* h, T* products) const {
    product_(h, sizes_.batch, products);
    pass_.add_bias(products, sizes_.batch, pass_.recurrent_bias());
  }
  void step(std::int64_t, const T* x, const T* products, T* h) const {
    for (std::int64_t i = 0; i < sizes_.hidden; ++i) h[i] = functions_(0, x[i] + products[i]);
  }

 private:
  const RecurrentSizes& sizes_;
  const Pass<T>& pass_;
  RecurrentFunctions functions_;
  Projection<T> product_;
};

template <class T>
class GruCell {
 public:
  GruCell(const RecurrentSizes& sizes, const Pass<T>& pass, RecurrentFunctions functions,
          GruReset reset)
      : sizes_(sizes),
        pass_(pass),
        functions_(functions),
        reset_(reset),
        product_(pass.recurrent()),
        new_product_(pass.recurrent().slice(0, 2 * sizes.hidden, 3 * sizes.hidden)) {}

  void prepare(const T* h, T* products) const {
    product_(h, sizes_.batch, products);
    pass_.add_bias(products, sizes_.batch, pass_.recurrent_bias());
  }
  void step(std::int64_t, const T* x, const T* products, T* h) const {
    const std::int64_t size = sizes_.hidden;
    std::vector<T> reset(static_cast<std::size_t>(size)), gated(reset), fresh(reset);
    for (std::int64_t i = 0; i < size; ++i) {
      const auto at = static_cast<std::size_t>(i);
      reset[at] = functions_(0, x[i] + products[i]);
      gated[at] = reset[at] * h[i];
      fresh[at] = reset[at] * products[2 * size + i];
    }
    if (reset_ == GruReset::before_product) {
      new_product_(gated.data(), 1, fresh.data());
      pass_.add_bias(fresh.data(), 1, pass_.recurrent_bias() + 2 * size, size);
    }
    for (std::int64_t i = 0; i < size; ++i) {
      const T update = functions_(0, x[size + i] + products[size + i]);
      const T n = functions_(1, x[2 * size + i] + fresh[static_cast<std::size_t>(i)]);
      h[i] = (T{1} - update) * n + update * h[i];
    }
  }

 private:
  const RecurrentSizes& sizes_;
  const Pass<T>& pass_;
  RecurrentFunctions functions_;
  GruReset reset_;
  Projection<T> product_, new_product_;
};

template <class T>
class LstmCell {
 public:
  LstmCell(const RecurrentSizes& sizes, const Pass<T>& pass, RecurrentFunctions functions,
           bool coupled, const T* peepholes, T* cell)
      : sizes_(sizes),
        pass_(pass),
        functions_(functions),
        coupled_(coupled),
        peepholes_(peepholes),
        cell_(cell),
        product_(pass.recurrent()) {}

  void prepare(const T* h, T* products) const {
    product_(h, sizes_.batch, products);
    pass_.add_bias(products, sizes_.batch, pass_.recurrent_bias());
  }
  void step(std::int64_t item, const T* x, const T* products, T* h) const {
    const std::int64_t size = sizes_.hidden;
    T* cell = cell_ + item * size;
    const auto gate = [&](int index, std::int64_t i) {
      return x[index * size + i] + products[index * size + i];
    };
    for (std::int64_t i = 0; i < size; ++i) {
      const T in = functions_(0, gate(0, i) + peepholes_[i] * cell[i]);
      const T forget =
          coupled_ ? T{1} - in : functions_(0, gate(1, i) + peepholes_[size + i] * cell[i]);
      cell[i] = forget * cell[i] + in * functions_(1, gate(2, i));
      const T out = functions_(0, gate(3, i) + peepholes_[2 * size + i] * cell[i]);
      h[i] = out * functions_(2, cell[i]);
    }
  }

 private:
  const RecurrentSizes& sizes_;
  const Pass<T>& pass_;
  RecurrentFunctions functions_;
  bool coupled_;
  const T* peepholes_;
  T* cell_;
  Projection<T> product_;
};

/// Runs `cell` over the steps of every sequence; `h` [batch, hidden] is its state, `y` where the
/// states of this direction begin.
template <class T, class Cell>
void run_steps(const RecurrentSizes& sizes, const Cell& cell, const Tensor& projected, bool reverse,
               std::span<const std::int64_t> lengths, T* h, T* y) {
  const std::int64_t width = sizes.gates * sizes.hidden;
  Tensor products = Tensor::empty({sizes.batch, width}, dtype_of<T>);
  T* product = products.template mutable_data<T>().data();
  const T* x = projected.data<T>().data();
  for (std::int64_t step = 0; step < sizes.steps; ++step) {
    cell.prepare(h, product);
    for (std::int64_t item = 0; item < sizes.batch; ++item) {
      const std::int64_t length = lengths[static_cast<std::size_t>(item)];
      if (step >= length) continue;
      const std::int64_t place = reverse ? length - 1 - step : step;
      T* state = h + item * sizes.hidden;
      cell.step(item, x + (place * sizes.batch + item) * width, product + item * width, state);
      std::copy_n(state, sizes.hidden,
                  y + (place * sizes.directions * sizes.batch + item) * sizes.hidden);
    }
  }
}

RecurrentSizes check_sizes(const char* name, const Tensor& x, const RecurrentWeights& weights,
                           const RecurrentOptions& options, std::int64_t gates) {
  const auto floating = [&](const char* what, const Tensor& tensor) {
    if (!is_floating(tensor.dtype()))
      fail(ErrorCode::unsupported, "{}: {} has dtype {}, expected a floating one", name, what,
           tensor.dtype());
  };
  floating("x", x);
  require(x.rank() == 3, "{}: expected x [steps, batch, in], got {}", name, x.shape());
  const std::int64_t directions = options.direction == Direction::bidirectional ? 2 : 1;
  require(weights.recurrent.rank() == 3,
          "{}: expected recurrent weights [{}, {} * hidden, hidden], "
          "got {}",
          name, directions, gates, weights.recurrent.shape());
  const RecurrentSizes sizes{x.dim(0), x.dim(1), x.dim(2), directions, weights.recurrent.dim(2),
                             gates};
  require(sizes.hidden > 0 && sizes.in > 0, "{}: empty weights {}", name,
          weights.recurrent.shape());
  const auto expect = [&](const char* what, const Tensor& tensor, const Shape& shape) {
    floating(what, tensor);
    require(tensor.shape() == shape, "{}: {} is {}, expected {}", name, what, tensor.shape(),
            shape);
  };
  expect("recurrent weights", weights.recurrent, {directions, gates * sizes.hidden, sizes.hidden});
  expect("input weights", weights.input, {directions, gates * sizes.hidden, sizes.in});
  if (weights.input_bias) expect("bias", *weights.input_bias, {directions, gates * sizes.hidden});
  if (weights.recurrent_bias)
    expect("recurrent bias", *weights.recurrent_bias, {directions, gates * sizes.hidden});
  return sizes;
}

std::vector<std::int64_t> check_lengths(const char* name, const RecurrentSizes& sizes,
                                        const std::optional<Tensor>& lengths) {
  const auto batch = static_cast<std::size_t>(sizes.batch);
  if (!lengths) return std::vector<std::int64_t>(batch, sizes.steps);
  require(lengths->shape() == Shape{sizes.batch} &&
              (lengths->dtype() == DType::i32 || lengths->dtype() == DType::i64),
          "{}: lengths are {} {}, expected i32 or i64 [{}]", name, lengths->dtype(),
          lengths->shape(), sizes.batch);
  const Tensor wide = lengths->cast(DType::i64).contiguous();
  const auto values = wide.data<std::int64_t>();
  for (const std::int64_t length : values) {
    require(length >= 0 && length <= sizes.steps, "{}: length {} of {} steps", name, length,
            sizes.steps);
  }
  return {values.begin(), values.end()};
}

std::vector<RecurrentFunction> check_functions(const char* name, const RecurrentSizes& sizes,
                                               const RecurrentOptions& options,
                                               std::initializer_list<Kind> usual) {
  const auto wanted = static_cast<std::int64_t>(usual.size()) * sizes.directions;
  require(
      options.functions.empty() || static_cast<std::int64_t>(options.functions.size()) == wanted,
      "{}: {} functions, expected {}", name, options.functions.size(), wanted);
  require(options.clip >= 0, "{}: clip {} is negative", name, options.clip);
  if (!options.functions.empty()) return options.functions;
  std::vector<RecurrentFunction> functions;
  for (std::int64_t direction = 0; direction < sizes.directions; ++direction) {
    for (const Kind kind : usual) functions.push_back({.kind = kind});
  }
  return functions;
}

/// A state [directions, batch, hidden] to be changed in place, from its initial values.
Tensor make_state(const char* name, const RecurrentSizes& sizes,
                  const std::optional<Tensor>& initial, DType dtype) {
  const Shape shape{sizes.directions, sizes.batch, sizes.hidden};
  if (!initial) return Tensor::zeros(shape, dtype);
  require(initial->shape() == shape && is_floating(initial->dtype()),
          "{}: initial state is {} {}, expected floating {}", name, initial->dtype(),
          initial->shape(), shape);
  return initial->cast(dtype).clone();
}

/// Runs every direction with the cell that `make_cell(pass, direction, functions)` gives.
template <class T, class MakeCell>
RecurrentResult run_network(const Tensor& x, const RecurrentSizes& sizes,
                            const RecurrentWeights& weights, const RecurrentOptions& options,
                            Tensor h, std::span<const std::int64_t> lengths,
                            std::span<const RecurrentFunction> functions,
                            const MakeCell& make_cell) {
  const Tensor wide = x.cast(dtype_of<T>).contiguous();
  Tensor y = Tensor::zeros({sizes.steps, sizes.directions, sizes.batch, sizes.hidden}, dtype_of<T>);
  const auto per_direction = static_cast<std::int64_t>(functions.size()) / sizes.directions;
  for (std::int64_t d = 0; d < sizes.directions && x.dim(1) > 0; ++d) {
    const Pass<T> pass(sizes, weights, d);
    const auto cell =
        make_cell(pass, d, RecurrentFunctions(functions.data() + d * per_direction, options.clip));
    const bool reverse = options.direction == Direction::reverse || d == 1;
    const std::int64_t first = d * sizes.batch * sizes.hidden;
    run_steps<T>(sizes, cell, pass.project(wide), reverse, lengths,
                 h.template mutable_data<T>().data() + first,
                 y.template mutable_data<T>().data() + first);
  }
  return {y.cast(x.dtype()), h.cast(x.dtype())};
}

/// Calls `run(T{})` with what x is computed in.
template <class Run>
auto in_wide_type(const Tensor& x, const Run& run) {
  return x.dtype() == DType::f64 ? run(double{}) : run(float{});
}

}  // namespace

RecurrentResult rnn(const Tensor& x, const RecurrentWeights& weights,
                    const std::optional<Tensor>& initial, const RecurrentOptions& options) {
  const RecurrentSizes sizes = check_sizes("rnn", x, weights, options, 1);
  const auto lengths = check_lengths("rnn", sizes, options.lengths);
  const auto functions = check_functions("rnn", sizes, options, {Kind::tanh});
  return in_wide_type(x, [&](auto zero) {
    using T = decltype(zero);
    return run_network<T>(x, sizes, weights, options,
                          make_state("rnn", sizes, initial, dtype_of<T>), lengths, functions,
                          [&](const Pass<T>& pass, std::int64_t, RecurrentFunctions apply) {
                            return RnnCell<T>(sizes, pass, apply);
                          });
  });
}

RecurrentResult gru(const Tensor& x, const RecurrentWeights& weights,
                    const std::optional<Tensor>& initial, const RecurrentOptions& options,
                    GruReset reset) {
  const RecurrentSizes sizes = check_sizes("gru", x, weights, options, 3);
  const auto lengths = check_lengths("gru", sizes, options.lengths);
  const auto functions = check_functions("gru", sizes, options, {Kind::sigmoid, Kind::tanh});
  return in_wide_type(x, [&](auto zero) {
    using T = decltype(zero);
    return run_network<T>(x, sizes, weights, options,
                          make_state("gru", sizes, initial, dtype_of<T>), lengths, functions,
                          [&](const Pass<T>& pass, std::int64_t, RecurrentFunctions apply) {
                            return GruCell<T>(sizes, pass, apply, reset);
                          });
  });
}

LstmResult lstm(const Tensor& x, const RecurrentWeights& weights, const LstmState& initial,
                const LstmOptions& options) {
  const RecurrentSizes sizes = check_sizes("lstm", x, weights, options.common, 4);
  const auto lengths = check_lengths("lstm", sizes, options.common.lengths);
  const auto functions =
      check_functions("lstm", sizes, options.common, {Kind::sigmoid, Kind::tanh, Kind::tanh});
  const Shape peephole_shape{sizes.directions, 3 * sizes.hidden};
  if (options.peepholes) {
    require(options.peepholes->shape() == peephole_shape && is_floating(options.peepholes->dtype()),
            "lstm: peepholes are {} {}, expected floating {}", options.peepholes->dtype(),
            options.peepholes->shape(), peephole_shape);
  }
  return in_wide_type(x, [&](auto zero) {
    using T = decltype(zero);
    Tensor c = make_state("lstm", sizes, initial.c, dtype_of<T>);
    const Tensor peepholes = options.peepholes ? options.peepholes->cast(dtype_of<T>).contiguous()
                                               : Tensor::zeros(peephole_shape, dtype_of<T>);
    const RecurrentResult result = run_network<T>(
        x, sizes, weights, options.common, make_state("lstm", sizes, initial.h, dtype_of<T>),
        lengths, functions, [&](const Pass<T>& pass, std::int64_t d, RecurrentFunctions apply) {
          return LstmCell<T>(sizes, pass, apply, options.coupled,
                             peepholes.data<T>().data() + d * 3 * sizes.hidden,
                             c.mutable_data<T>().data() + d * sizes.batch * sizes.hidden);
        });
    return LstmResult{result.y, result.h, c.cast(x.dtype())};
  });
}

}  // namespace quern::ops
