#include "ops/packed_recurrent.h"

#include <utility>

#include "core/copy.h"
#include "core/error.h"
#include "core/format.h"
#include "kernels/row_product.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

/// Rᵀ of one direction, [gates * hidden, hidden]: the panels of each gate.
Tensor pack_gates(const Tensor& recurrent, std::int64_t gates) {
  const std::int64_t hidden = recurrent.dim(1);
  const kernels::Panels shape{nullptr, hidden, hidden};
  Tensor packed = Tensor::empty({gates, shape.size()});
  const float* from = recurrent.data<float>().data();
  float* to = packed.mutable_data<float>().data();
  for (std::int64_t gate = 0; gate < gates; ++gate)
    kernels::pack_panels(shape, from + gate * hidden * hidden, 1, hidden, to + gate * shape.size());
  return packed;
}

}  // namespace

const char* PackedRecurrent::name() const noexcept {
  return cell_ == Cell::rnn ? "rnn" : cell_ == Cell::gru ? "gru" : "lstm";
}

std::int64_t PackedRecurrent::gates() const noexcept {
  return cell_ == Cell::rnn ? 1 : cell_ == Cell::gru ? 3 : 4;
}

PackedRecurrent::PackedRecurrent(Cell cell, const RecurrentWeights& weights, Direction direction,
                                 bool wide)
    : cell_(cell), direction_(direction), wide_(wide) {
  const char* name = this->name();
  const auto floating = [&](const char* what, const Tensor& tensor) {
    if (!is_floating(tensor.dtype()))
      fail(ErrorCode::unsupported, "{}: {} has dtype {}, expected a floating one", name, what,
           tensor.dtype());
  };
  const std::int64_t count = direction == Direction::bidirectional ? 2 : 1;
  require(weights.recurrent.rank() == 3 && weights.input.rank() == 3,
          "{}: expected recurrent weights [{}, {} * hidden, hidden] and input weights "
          "[{}, {} * hidden, in], got {} and {}",
          name, count, gates(), count, gates(), weights.recurrent.shape(), weights.input.shape());
  hidden_ = weights.recurrent.dim(2);
  in_ = weights.input.dim(2);
  require(hidden_ > 0 && in_ > 0, "{}: empty weights {}", name, weights.recurrent.shape());
  const auto expect = [&](const char* what, const Tensor& tensor, const Shape& shape) {
    floating(what, tensor);
    require(tensor.shape() == shape, "{}: {} is {}, expected {}", name, what, tensor.shape(),
            shape);
  };
  const std::int64_t width = gates() * hidden_;
  expect("recurrent weights", weights.recurrent, {count, width, hidden_});
  expect("input weights", weights.input, {count, width, in_});
  if (weights.input_bias) expect("bias", *weights.input_bias, {count, width});
  if (weights.recurrent_bias) expect("recurrent bias", *weights.recurrent_bias, {count, width});

  const DType dtype = wide ? DType::f64 : DType::f32;
  for (std::int64_t d = 0; d < count; ++d) {
    const auto own = [&](const Tensor& all) {
      return all.slice(0, d, d + 1).squeeze(0).cast(dtype).contiguous();
    };
    const auto bias = [&](const std::optional<Tensor>& all) {
      return all ? own(*all) : Tensor::zeros({width}, dtype);
    };
    const Tensor input = own(weights.input);
    const Tensor recurrent = own(weights.recurrent);
    OneDirection packed;
    packed.recurrent_bias = bias(weights.recurrent_bias);
    const std::int64_t biased = cell == Cell::gru ? 2 * hidden_ : width;
    packed.bias = bias(weights.input_bias).clone();
    const Tensor sums = packed.bias.slice(0, 0, biased);
    copy_elements(add(sums, packed.recurrent_bias.slice(0, 0, biased)), sums);
    if (wide) {
      packed.input = input;
      packed.recurrent = recurrent.transpose(0, 1).contiguous();
    } else {
      packed.projection = PackedMatMul({.weight = input.transpose(0, 1), .bias = packed.bias});
      packed.recurrent = pack_gates(recurrent, gates());
    }
    directions_.push_back(std::move(packed));
  }
}

}  // namespace quern::ops
