#include "quern/ops/recurrent.h"
#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

ops::RecurrentWeights make_weights(std::int64_t directions, std::int64_t gates, std::int64_t in,
                                   std::int64_t hidden, DType dtype = DType::f32) {
  return {.input = hashed_tensor(2, {directions, gates * hidden, in}, dtype),
          .recurrent = hashed_tensor(3, {directions, gates * hidden, hidden}, dtype),
          .input_bias = hashed_tensor(4, {directions, gates * hidden}, dtype),
          .recurrent_bias = hashed_tensor(5, {directions, gates * hidden}, dtype)};
}

std::string lstm_difference(const ops::LstmResult& a, const ops::LstmResult& b) {
  return difference(a.y, b.y, 20) + difference(a.h, b.h, 20) + difference(a.c, b.c, 20);
}

}  // namespace

TEST_CASE("recurrent networks in every dtype agree with f64") {
  const ops::RecurrentWeights weights = make_weights(2, 4, 7, 5, DType::f64);
  const ops::LstmOptions options{.common = {.direction = ops::Direction::bidirectional},
                                 .peepholes = hashed_tensor(6, {2, 15}, DType::f64)};
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    CAPTURE(to_string(dtype));
    const Tensor x = hashed_tensor(1, {6, 3, 7}, dtype);
    const auto wide = ops::lstm(x.cast(DType::f64), weights, {}, options);
    const ops::LstmResult expected{wide.y.cast(dtype), wide.h.cast(dtype), wide.c.cast(dtype)};
    const std::string wrong = lstm_difference(ops::lstm(x, weights, {}, options), expected);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}

TEST_CASE("networks of many units and sequences agree with f64, whatever the cell does") {
  const auto f32 = [](const Tensor& x) { return x.cast(DType::f32); };
  for (const std::int64_t hidden : {13, 129, 300}) {
    for (const std::int64_t batch : {1, 3, 37}) {
      CAPTURE(hidden);
      CAPTURE(batch);
      const Tensor x = hashed_tensor(1, {5, batch, 7});
      std::vector<std::int64_t> lengths;
      for (std::int64_t i = 0; i < batch; ++i) lengths.push_back(5 - i % 3);
      ops::RecurrentOptions common{.direction = ops::Direction::bidirectional, .clip = 1.5f};
      common.lengths = Tensor::from(lengths, {batch});
      const auto scaled = [&](std::int64_t gates) {
        ops::RecurrentWeights weights = make_weights(2, gates, 7, hidden, DType::f64);
        weights.recurrent = ops::mul(
            weights.recurrent, Tensor::full({}, 4.0 / static_cast<double>(hidden), DType::f64));
        return weights;
      };
      const Tensor wide = x.cast(DType::f64);
      const auto check = [&](const Tensor& result, const Tensor& expected) {
        const std::string wrong = difference(result, f32(expected), 5 * hidden);
        CHECK_MESSAGE(wrong.empty(), wrong);
      };
      for (const bool coupled : {false, true}) {
        ops::LstmOptions options{.common = common, .coupled = coupled};
        if (hidden != 129) options.peepholes = hashed_tensor(6, {2, 3 * hidden}, DType::f64);
        const auto weights = scaled(4);
        const auto got = ops::lstm(x, weights, {}, options);
        const auto want = ops::lstm(wide, weights, {}, options);
        check(got.y, want.y);
        check(got.c, want.c);
      }
      for (const auto reset : {ops::GruReset::before_product, ops::GruReset::after_product}) {
        const auto weights = scaled(3);
        check(ops::gru(x, weights, {}, common, reset).y,
              ops::gru(wide, weights, {}, common, reset).y);
      }
      check(ops::rnn(x, scaled(1), {}, common).y, ops::rnn(wide, scaled(1), {}, common).y);
    }
  }
}

TEST_CASE("a batch of sequences of different lengths gives what each gives alone") {
  const std::int64_t lengths[] = {4, 1, 6};
  const Tensor x = hashed_tensor(1, {6, 3, 7});
  const ops::RecurrentWeights weights = make_weights(2, 3, 7, 5);
  for (const auto reset : {ops::GruReset::before_product, ops::GruReset::after_product}) {
    ops::RecurrentOptions options{.direction = ops::Direction::bidirectional};
    options.lengths = Tensor::from(lengths, {3});
    const auto together = ops::gru(x, weights, {}, options, reset);
    options.lengths.reset();
    for (std::int64_t item = 0; item < 3; ++item) {
      CAPTURE(item);
      const std::int64_t length = lengths[item];
      const Tensor own = x.slice(1, item, item + 1).slice(0, 0, length);
      const auto alone = ops::gru(own, weights, {}, options, reset);
      const Tensor y = together.y.slice(2, item, item + 1);
      CHECK(difference(y.slice(0, 0, length).contiguous(), alone.y, 20).empty());
      CHECK(difference(together.h.slice(1, item, item + 1).contiguous(), alone.h, 20).empty());
      const Tensor rest = y.slice(0, length, 6).contiguous();
      for (const float value : rest.data<float>()) CHECK(value == 0);
    }
  }
}

TEST_CASE("reverse is forward on the steps in reverse, and bidirectional is both") {
  const Tensor x = hashed_tensor(1, {6, 3, 7});
  const Tensor backwards = x.slice(0, 5, -7, -1);
  const ops::RecurrentWeights both = make_weights(2, 1, 7, 5);
  const auto of_direction = [&](std::int64_t d) {
    return ops::RecurrentWeights{.input = both.input.slice(0, d, d + 1),
                                 .recurrent = both.recurrent.slice(0, d, d + 1),
                                 .input_bias = both.input_bias->slice(0, d, d + 1),
                                 .recurrent_bias = both.recurrent_bias->slice(0, d, d + 1)};
  };
  const auto reverse = ops::rnn(x, of_direction(1), {}, {.direction = ops::Direction::reverse});
  const auto forward = ops::rnn(backwards, of_direction(1));
  CHECK(difference(reverse.h, forward.h, 20).empty());
  CHECK(difference(reverse.y, forward.y.slice(0, 5, -7, -1).contiguous(), 20).empty());
  const auto joined = ops::rnn(x, both, {}, {.direction = ops::Direction::bidirectional});
  CHECK(difference(joined.y.slice(1, 1, 2).contiguous(), reverse.y, 20).empty());
  CHECK(
      difference(joined.y.slice(1, 0, 1).contiguous(), ops::rnn(x, of_direction(0)).y, 20).empty());
}

TEST_CASE("every function of a recurrent network, clipped or not") {
  using Kind = ops::RecurrentFunction::Kind;
  const Tensor x = Tensor::from({-3.f, -0.25f, 0.f, 0.5f, 2.f}, {1, 5, 1});
  const ops::RecurrentWeights weights{.input = Tensor::full({1, 1, 1}, 1),
                                      .recurrent = Tensor::zeros({1, 1, 1})};
  const auto run = [&](Kind kind, float clip = 0) {
    return ops::rnn(x, weights, {},
                    {.clip = clip, .functions = {{.kind = kind, .alpha = 0.5f, .beta = 0.25f}}})
        .h.reshape({5});
  };
  const auto check = [](const Tensor& result, std::initializer_list<float> expected) {
    const std::string wrong = difference(result, Tensor::from(expected, {5}), 4);
    CHECK_MESSAGE(wrong.empty(), wrong);
  };
  check(run(Kind::relu), {0, 0, 0, 0.5f, 2});
  check(run(Kind::affine), {-1.25f, 0.125f, 0.25f, 0.5f, 1.25f});
  check(run(Kind::leaky_relu), {-1.5f, -0.125f, 0, 0.5f, 2});
  check(run(Kind::thresholded_relu), {0, 0, 0, 0, 2});
  check(run(Kind::hard_sigmoid), {0, 0.125f, 0.25f, 0.5f, 1});
  check(run(Kind::softsign), {-0.75f, -0.2f, 0, 1 / 3.f, 2 / 3.f});
  check(run(Kind::affine, 1), {-0.25f, 0.125f, 0.25f, 0.5f, 0.75f});
  const Tensor line = x.reshape({5});
  CHECK(difference(run(Kind::sigmoid), ops::sigmoid(line), 1).empty());
  CHECK(difference(run(Kind::tanh), ops::tanh(line), 1).empty());
  CHECK(difference(run(Kind::elu), ops::elu(line, 0.5f), 1).empty());
  CHECK(difference(run(Kind::softplus), ops::softplus(line), 1).empty());
  const Tensor scaled = ops::tanh(ops::mul(line, Tensor::full({}, 0.25)));
  CHECK(difference(run(Kind::scaled_tanh), ops::mul(scaled, Tensor::full({}, 0.5)), 1).empty());
}

TEST_CASE("recurrent networks refuse shapes, lengths and functions that do not fit") {
  const Tensor x = Tensor::zeros({4, 2, 7});
  const ops::RecurrentWeights weights = make_weights(1, 3, 7, 5);
  const auto code = [&](const Tensor& source, const ops::RecurrentWeights& given,
                        const ops::RecurrentOptions& options = {}) {
    return code_of([&] { ops::gru(source, given, {}, options); });
  };
  const auto invalid = ErrorCode::invalid_argument;
  CHECK(code(Tensor::zeros({4, 7}), weights) == invalid);
  CHECK(code(Tensor::zeros({4, 2, 6}), weights) == invalid);
  CHECK(code(x, make_weights(1, 4, 7, 5)) == invalid);
  CHECK(code(x, weights, {.direction = ops::Direction::bidirectional}) == invalid);
  CHECK(code(x, weights, {.lengths = Tensor::from({4, 5}, {2})}) == invalid);
  CHECK(code(x, weights, {.lengths = Tensor::from({4}, {1})}) == invalid);
  CHECK(code(x, weights, {.functions = {{}}}) == invalid);
  CHECK(code(x, weights, {.clip = -1}) == invalid);
  CHECK(code(x.cast(DType::i32), weights) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::gru(x, weights, Tensor::zeros({1, 3, 5})); }) == invalid);
  CHECK(code_of([&] {
          ops::lstm(x, make_weights(1, 4, 7, 5), {}, {.peepholes = Tensor::zeros({1, 5})});
        }) == invalid);
}
