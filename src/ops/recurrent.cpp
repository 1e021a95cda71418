#include <Eigen/Core>
#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "kernels/row_product.h"
#include "ops/packed_recurrent.h"
#include "ops/recurrent_function.h"

namespace quern::ops {
namespace {

using Kind = RecurrentFunction::Kind;

/// RecurrentSizes of a network, checked.
struct RecurrentSizes {
  std::int64_t steps, batch, in, directions, hidden, gates;
};

/// Products of rows of T with one direction's weights.
template <class T>
struct Products;

template <>
struct Products<float> {
  /// x [steps, batch, in] · Wᵀ + the bias.
  static Tensor project(const PackedRecurrent::OneDirection& weights, const Tensor& x) {
    return (*weights.projection)(x);
  }
  /// Adds columns [begin, end), of whole panels, of src · Rᵀ of a gate to those of dst.
  static void add(const Tensor& packed, std::int64_t gate, std::int64_t hidden, const float* src,
                  std::int64_t rows, std::int64_t begin, std::int64_t end, float* dst,
                  std::int64_t dst_stride) {
    const float* own = packed.data<float>().data() + gate * packed.dim(1);
    kernels::add_row_product({.src = src,
                              .weight = {own, hidden, hidden},
                              .dst = dst,
                              .m = rows,
                              .src_stride = hidden,
                              .dst_stride = dst_stride},
                             begin / kernels::kPanel,
                             (end + kernels::kPanel - 1) / kernels::kPanel);
  }
};

template <>
struct Products<double> {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Apart = Eigen::Map<Matrix, 0, Eigen::OuterStride<>>;
  using Read = Eigen::Map<const Matrix>;

  static Read view(const Tensor& weight) {
    return {weight.data<double>().data(), weight.dim(0), weight.dim(1)};
  }
  static Tensor project(const PackedRecurrent::OneDirection& weights, const Tensor& x) {
    const std::int64_t rows = x.dim(0) * x.dim(1);
    const std::int64_t width = weights.input.dim(0);
    Tensor projected = Tensor::empty({x.dim(0), x.dim(1), width}, DType::f64);
    const Eigen::Map<const Eigen::RowVectorXd> bias(weights.bias.data<double>().data(), width);
    Eigen::Map<Matrix> result(projected.mutable_data<double>().data(), rows, width);
    result.noalias() =
        Read(x.data<double>().data(), rows, x.dim(2)) * view(weights.input).transpose();
    result.rowwise() += bias;
    return projected;
  }
  static void add(const Tensor& packed, std::int64_t gate, std::int64_t hidden, const double* src,
                  std::int64_t rows, std::int64_t begin, std::int64_t end, double* dst,
                  std::int64_t dst_stride) {
    Apart(dst + begin, rows, end - begin, Eigen::OuterStride<>(dst_stride)) +=
        Read(src, rows, hidden) * view(packed).middleCols(gate * hidden + begin, end - begin);
  }
};

/// One direction of a network in T: its weights, and what its inputs come to.
template <class T>
class Pass {
 public:
  Pass(const RecurrentSizes& sizes, PackedRecurrent::OneDirection weights)
      : sizes_(sizes), weights_(std::move(weights)) {}

  const RecurrentSizes& sizes() const { return sizes_; }
  const T* recurrent_bias() const { return weights_.recurrent_bias.template data<T>().data(); }

  /// [steps, batch, gates * hidden]: W x + its bias, and of the first gates the recurrent one.
  Tensor project(const Tensor& x) const { return Products<T>::project(weights_, x); }

  /// Adds R h of units [begin, end) of a gate to what `dst` [batch, gates * hidden] has.
  void add_recurrent(std::int64_t gate, const T* h, std::int64_t begin, std::int64_t end,
                     T* dst) const {
    Products<T>::add(weights_.recurrent, gate, sizes_.hidden, h, sizes_.batch, begin, end,
                     dst + gate * sizes_.hidden, sizes_.gates * sizes_.hidden);
  }

 private:
  RecurrentSizes sizes_;
  PackedRecurrent::OneDirection weights_;
};

/// What the cells of one step share. Gates are [batch, gates * hidden], and on entry to `step` hold
/// W x and its bias; states are [batch, hidden].
template <class T>
struct CellStep {
  T* gates;
  const T* h;  ///< the old states, of all units
  T* next;     ///< the new ones
};

/// The units [begin, end) of one item.
struct Units {
  std::int64_t item, begin, end;
  std::int64_t size() const { return end - begin; }
};

/// A cell's `product` adds what the old states give to the gates of units [begin, end), of all
/// items; its `step` makes the new states of some units of one item.
template <class T>
class RnnCell {
 public:
  static constexpr bool kTwoStages = false;

  RnnCell(const Pass<T>& pass, RecurrentFunctions functions) : pass_(pass), functions_(functions) {}

  void product(const CellStep<T>& step, std::int64_t begin, std::int64_t end) const {
    pass_.add_recurrent(0, step.h, begin, end, step.gates);
  }
  void step(const CellStep<T>& step, const Units& units) const {
    const std::int64_t at = units.item * pass_.sizes().hidden + units.begin;
    functions_.apply(0, step.gates + at, units.size());
    std::copy_n(step.gates + at, units.size(), step.next + at);
  }

 private:
  const Pass<T>& pass_;
  RecurrentFunctions functions_;
};

template <class T>
class GruCell {
 public:
  static constexpr bool kTwoStages = true;

  GruCell(const Pass<T>& pass, RecurrentFunctions functions, GruReset reset)
      : pass_(pass), functions_(functions), reset_(reset) {
    const RecurrentSizes& sizes = pass.sizes();
    const auto count = static_cast<std::size_t>(sizes.batch * sizes.hidden);
    fresh_.resize(reset == GruReset::after_product ? 3 * count : 0);
    gated_.resize(reset == GruReset::before_product ? count : 0);
  }

  /// Where r applies to the state, R h of the third gate waits for it.
  void product(const CellStep<T>& step, std::int64_t begin, std::int64_t end) {
    for (const std::int64_t gate : {0, 1})
      pass_.add_recurrent(gate, step.h, begin, end, step.gates);
    if (reset_ == GruReset::before_product) return;
    const std::int64_t hidden = pass_.sizes().hidden;
    for (std::int64_t item = 0; item < pass_.sizes().batch; ++item)
      std::copy(pass_.recurrent_bias() + 2 * hidden + begin,
                pass_.recurrent_bias() + 2 * hidden + end,
                fresh_.data() + (item * 3 + 2) * hidden + begin);
    pass_.add_recurrent(2, step.h, begin, end, fresh_.data());
  }
  /// r of some units, and where it applies to the state, that.
  void reset(const CellStep<T>& step, const Units& units) {
    const std::int64_t hidden = pass_.sizes().hidden;
    T* r = step.gates + units.item * 3 * hidden + units.begin;
    functions_.apply(0, r, units.size());
    if (reset_ == GruReset::after_product) return;
    const std::int64_t at = units.item * hidden + units.begin;
    for (std::int64_t i = 0; i < units.size(); ++i) gated_[at + i] = r[i] * step.h[at + i];
  }
  void second_product(const CellStep<T>& step, std::int64_t begin, std::int64_t end) {
    if (reset_ == GruReset::after_product) return;
    const std::int64_t hidden = pass_.sizes().hidden;
    for (std::int64_t item = 0; item < pass_.sizes().batch; ++item) {
      T* n = step.gates + (item * 3 + 2) * hidden;
      for (std::int64_t i = begin; i < end; ++i) n[i] += pass_.recurrent_bias()[2 * hidden + i];
    }
    pass_.add_recurrent(2, gated_.data(), begin, end, step.gates);
  }
  void step(const CellStep<T>& step, const Units& units) {
    const std::int64_t hidden = pass_.sizes().hidden;
    const std::int64_t row = units.item * 3 * hidden + units.begin;
    const std::int64_t at = units.item * hidden + units.begin;
    T* r = step.gates + row;
    T* z = r + hidden;
    T* n = z + hidden;
    if (reset_ == GruReset::after_product) {
      const T* fresh = fresh_.data() + row + 2 * hidden;
      for (std::int64_t i = 0; i < units.size(); ++i) n[i] += r[i] * fresh[i];
    }
    functions_.apply(0, z, units.size());
    functions_.apply(1, n, units.size());
    for (std::int64_t i = 0; i < units.size(); ++i)
      step.next[at + i] = (T{1} - z[i]) * n[i] + z[i] * step.h[at + i];
  }

 private:
  const Pass<T>& pass_;
  RecurrentFunctions functions_;
  GruReset reset_;
  std::vector<T> fresh_, gated_;
};

template <class T>
class LstmCell {
 public:
  static constexpr bool kTwoStages = false;

  LstmCell(const Pass<T>& pass, RecurrentFunctions functions, bool coupled, const T* peepholes,
           T* cell)
      : pass_(pass), functions_(functions), coupled_(coupled), peepholes_(peepholes), cell_(cell) {}

  void product(const CellStep<T>& step, std::int64_t begin, std::int64_t end) const {
    for (const std::int64_t gate : {0, 1, 2, 3}) {
      if (gate == 1 && coupled_) continue;
      pass_.add_recurrent(gate, step.h, begin, end, step.gates);
    }
  }
  void step(const CellStep<T>& step, const Units& units) const {
    const std::int64_t hidden = pass_.sizes().hidden;
    const std::int64_t count = units.size();
    const std::int64_t at = units.item * hidden + units.begin;
    T* in = step.gates + units.item * 4 * hidden + units.begin;
    T* forget = in + hidden;
    T* fresh = forget + hidden;
    T* out = fresh + hidden;
    T* cell = cell_ + at;
    T* next = step.next + at;
    gate(0, in, cell, units);
    if (coupled_) {
      for (std::int64_t i = 0; i < count; ++i) forget[i] = T{1} - in[i];
    } else {
      gate(1, forget, cell, units);
    }
    functions_.apply(1, fresh, count);
    for (std::int64_t i = 0; i < count; ++i) cell[i] = forget[i] * cell[i] + in[i] * fresh[i];
    gate(2, out, cell, units);
    std::copy_n(cell, count, next);
    functions_.apply(2, next, count);
    for (std::int64_t i = 0; i < count; ++i) next[i] *= out[i];
  }

 private:
  /// The first function of a gate that sees the cell through peephole `index`.
  void gate(std::int64_t index, T* values, const T* cell, const Units& units) const {
    if (peepholes_ != nullptr) {
      const T* peephole = peepholes_ + index * pass_.sizes().hidden + units.begin;
      for (std::int64_t i = 0; i < units.size(); ++i) values[i] += peephole[i] * cell[i];
    }
    functions_.apply(0, values, units.size());
  }

  const Pass<T>& pass_;
  RecurrentFunctions functions_;
  bool coupled_;
  const T* peepholes_;  ///< [3, hidden]; null: zeros
  T* cell_;
};

/// What a run over all steps of one direction takes: [steps, batch, gates * hidden] and memory.
template <class T>
struct Passage {
  Tensor projected, gates, next;
  bool reverse;
  T* h;  ///< [batch, hidden], the states
  T* y;  ///< where those of this direction go
};

/// Units of a cell that threads share, in whole panels of the weights.
template <class T, class Body>
void for_units(const RecurrentSizes& sizes, const Body& body) {
  constexpr std::int64_t kBlock = kernels::kPanel;
  constexpr std::int64_t kProducts = 131072;  // worth a thread's while
  const std::int64_t products = sizes.batch * sizes.gates * sizes.hidden * kBlock;
  parallel_for((sizes.hidden + kBlock - 1) / kBlock, kProducts / products + 1,
               [&](std::int64_t begin, std::int64_t end) {
                 body(begin * kBlock, std::min(end * kBlock, sizes.hidden));
               });
}

/// Runs `cell` over the steps of every sequence.
template <class T, class Cell>
void run_steps(const RecurrentSizes& sizes, Cell& cell, const Passage<T>& passage,
               std::span<const std::int64_t> lengths) {
  const std::int64_t width = sizes.gates * sizes.hidden;
  const T* x = passage.projected.template data<T>().data();
  Tensor gates = passage.gates;
  Tensor next = passage.next;
  const CellStep<T> step{gates.template mutable_data<T>().data(), passage.h,
                         next.template mutable_data<T>().data()};
  for (std::int64_t time = 0; time < sizes.steps; ++time) {
    const auto place = [&](std::int64_t item) {
      const std::int64_t length = lengths[static_cast<std::size_t>(item)];
      return passage.reverse ? length - 1 - time : time;
    };
    const auto for_items = [&](const auto& body) {
      for (std::int64_t item = 0; item < sizes.batch; ++item) {
        if (time < lengths[static_cast<std::size_t>(item)]) body(item);
      }
    };
    const auto take_products = [&](std::int64_t begin, std::int64_t end) {
      for_items([&](std::int64_t item) {
        for (std::int64_t gate = 0; gate < sizes.gates; ++gate) {
          const std::int64_t at = gate * sizes.hidden + begin;
          std::copy_n(x + (place(item) * sizes.batch + item) * width + at, end - begin,
                      step.gates + item * width + at);
        }
      });
      cell.product(step, begin, end);
    };
    const auto take_step = [&](std::int64_t begin, std::int64_t end) {
      for_items([&](std::int64_t item) { cell.step(step, {item, begin, end}); });
    };
    if constexpr (Cell::kTwoStages) {
      for_units<T>(sizes, [&](std::int64_t begin, std::int64_t end) {
        take_products(begin, end);
        for_items([&](std::int64_t item) { cell.reset(step, {item, begin, end}); });
      });
      for_units<T>(sizes, [&](std::int64_t begin, std::int64_t end) {
        cell.second_product(step, begin, end);
        take_step(begin, end);
      });
    } else {
      for_units<T>(sizes, [&](std::int64_t begin, std::int64_t end) {
        take_products(begin, end);
        take_step(begin, end);
      });
    }
    for_items([&](std::int64_t item) {
      const T* state = step.next + item * sizes.hidden;
      std::copy_n(state, sizes.hidden, passage.h + item * sizes.hidden);
      std::copy_n(state, sizes.hidden,
                  passage.y + (place(item) * sizes.directions * sizes.batch + item) * sizes.hidden);
    });
  }
}

RecurrentSizes check_sizes(const Tensor& x, const PackedRecurrent& weights) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "{}: x has dtype {}, expected a floating one", weights.name(),
         x.dtype());
  require(x.rank() == 3 && x.dim(2) == weights.in(), "{}: expected x [steps, batch, {}], got {}",
          weights.name(), weights.in(), x.shape());
  require(weights.is_wide() == (x.dtype() == DType::f64), "{}: weights packed for another dtype",
          weights.name());
  return {x.dim(0),         x.dim(1),       x.dim(2), std::ssize(weights.directions()),
          weights.hidden(), weights.gates()};
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

/// Runs every direction, both at once, with the cell that `make_cell(pass, direction, functions)`
/// gives.
template <class T, class MakeCell>
RecurrentResult run_network(const Tensor& x, const RecurrentSizes& sizes,
                            const PackedRecurrent& weights, const RecurrentOptions& options,
                            Tensor h, std::span<const std::int64_t> lengths,
                            std::span<const RecurrentFunction> functions,
                            const MakeCell& make_cell) {
  using Cell = decltype(make_cell(std::declval<const Pass<T>&>(), 0, RecurrentFunctions({}, 0)));
  const Tensor wide = x.cast(dtype_of<T>).contiguous();
  Tensor y = Tensor::zeros({sizes.steps, sizes.directions, sizes.batch, sizes.hidden}, dtype_of<T>);
  if (x.dim(1) == 0) return {y.cast(x.dtype()), h.cast(x.dtype())};
  std::vector<Pass<T>> passes;
  std::vector<Passage<T>> passages;
  for (std::int64_t d = 0; d < sizes.directions; ++d) {
    const std::int64_t first = d * sizes.batch * sizes.hidden;
    const Pass<T>& pass =
        passes.emplace_back(sizes, weights.directions()[static_cast<std::size_t>(d)]);
    passages.push_back(
        {pass.project(wide), Tensor::zeros({sizes.batch, sizes.gates * sizes.hidden}, dtype_of<T>),
         Tensor::zeros({sizes.batch, sizes.hidden}, dtype_of<T>),
         weights.direction() == Direction::reverse || d == 1,
         h.template mutable_data<T>().data() + first, y.template mutable_data<T>().data() + first});
  }
  const auto per_direction = static_cast<std::int64_t>(functions.size()) / sizes.directions;
  std::vector<Cell> cells;
  for (std::int64_t d = 0; d < sizes.directions; ++d)
    cells.push_back(
        make_cell(passes[static_cast<std::size_t>(d)], d,
                  RecurrentFunctions(functions.subspan(static_cast<std::size_t>(d * per_direction)),
                                     options.clip)));
  parallel_for(sizes.directions, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto d = static_cast<std::size_t>(begin); d < static_cast<std::size_t>(end); ++d)
      run_steps<T>(sizes, cells[d], passages[d], lengths);
  });
  return {y.cast(x.dtype()), h.cast(x.dtype())};
}

/// Calls `run(T{})` with what x is computed in.
template <class Run>
auto in_wide_type(const Tensor& x, const Run& run) {
  return x.dtype() == DType::f64 ? run(double{}) : run(float{});
}

}  // namespace

RecurrentResult rnn(const Tensor& x, const PackedRecurrent& weights,
                    const std::optional<Tensor>& initial, const RecurrentOptions& options) {
  const RecurrentSizes sizes = check_sizes(x, weights);
  const auto lengths = check_lengths("rnn", sizes, options.lengths);
  const auto functions = check_functions("rnn", sizes, options, {Kind::tanh});
  return in_wide_type(x, [&](auto zero) {
    using T = decltype(zero);
    return run_network<T>(x, sizes, weights, options,
                          make_state("rnn", sizes, initial, dtype_of<T>), lengths, functions,
                          [&](const Pass<T>& pass, std::int64_t, RecurrentFunctions apply) {
                            return RnnCell<T>(pass, apply);
                          });
  });
}

RecurrentResult gru(const Tensor& x, const PackedRecurrent& weights,
                    const std::optional<Tensor>& initial, const RecurrentOptions& options,
                    GruReset reset) {
  const RecurrentSizes sizes = check_sizes(x, weights);
  const auto lengths = check_lengths("gru", sizes, options.lengths);
  const auto functions = check_functions("gru", sizes, options, {Kind::sigmoid, Kind::tanh});
  return in_wide_type(x, [&](auto zero) {
    using T = decltype(zero);
    return run_network<T>(x, sizes, weights, options,
                          make_state("gru", sizes, initial, dtype_of<T>), lengths, functions,
                          [&](const Pass<T>& pass, std::int64_t, RecurrentFunctions apply) {
                            return GruCell<T>(pass, apply, reset);
                          });
  });
}

LstmResult lstm(const Tensor& x, const PackedRecurrent& weights, const LstmState& initial,
                const LstmOptions& options) {
  const RecurrentSizes sizes = check_sizes(x, weights);
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
    std::optional<Tensor> peepholes = options.peepholes;
    if (peepholes) peepholes = peepholes->cast(dtype_of<T>).contiguous();
    const RecurrentResult result = run_network<T>(
        x, sizes, weights, options.common, make_state("lstm", sizes, initial.h, dtype_of<T>),
        lengths, functions, [&](const Pass<T>& pass, std::int64_t d, RecurrentFunctions apply) {
          const T* all = peepholes ? peepholes->data<T>().data() : nullptr;
          return LstmCell<T>(pass, apply, options.coupled,
                             all != nullptr ? all + d * 3 * sizes.hidden : nullptr,
                             c.mutable_data<T>().data() + d * sizes.batch * sizes.hidden);
        });
    return LstmResult{result.y, result.h, c.cast(x.dtype())};
  });
}

namespace {

PackedRecurrent packed(PackedRecurrent::Cell cell, const Tensor& x, const RecurrentWeights& weights,
                       const RecurrentOptions& options) {
  return PackedRecurrent(cell, weights, options.direction, x.dtype() == DType::f64);
}

}  // namespace

RecurrentResult rnn(const Tensor& x, const RecurrentWeights& weights,
                    const std::optional<Tensor>& initial, const RecurrentOptions& options) {
  return rnn(x, packed(PackedRecurrent::Cell::rnn, x, weights, options), initial, options);
}

RecurrentResult gru(const Tensor& x, const RecurrentWeights& weights,
                    const std::optional<Tensor>& initial, const RecurrentOptions& options,
                    GruReset reset) {
  return gru(x, packed(PackedRecurrent::Cell::gru, x, weights, options), initial, options, reset);
}

LstmResult lstm(const Tensor& x, const RecurrentWeights& weights, const LstmState& initial,
                const LstmOptions& options) {
  return lstm(x, packed(PackedRecurrent::Cell::lstm, x, weights, options.common), initial, options);
}

}  // namespace quern::ops
