#include "ops/binary.h"
#include "ops/eltwise.h"
#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

using BinaryFunction = Tensor (*)(const Tensor&, const Tensor&);

OpUnderTest binary(BinaryFunction function, backend::Binary operation) {
  return {.run = [=](const GoldenCase& given) {
    const Tensor& a = given.inputs[0];
    const Tensor& b = given.inputs[1];
    std::vector<Computed> results{{"quern::ops", function(a, b)}};
    const Shape shape = results[0].result.shape();
    run_each(
        ops::binary_implementations(),
        [&] {
          return ops::BinaryArgs{operation, a.expand(shape), b.expand(shape),
                                 Tensor::empty(shape, a.dtype())};
        },
        results);
    return results;
  }};
}

OpUnderTest eltwise(const std::function<Tensor(const GoldenCase&)>& function,
                    backend::Eltwise operation, const std::string& alpha = "", float preset = 0.f) {
  return {.run = [=](const GoldenCase& given) {
    std::vector<Computed> results{{"quern::ops", function(given)}};
    const Tensor& x = given.inputs[0];
    const float first = static_cast<float>(given.number(alpha, preset));
    const float second = static_cast<float>(given.number("high", 0));
    run_each(
        ops::eltwise_implementations(),
        [&] {
          return ops::EltwiseArgs{operation, x, Tensor::empty(x.shape(), x.dtype()), first, second};
        },
        results);
    return results;
  }};
}

OpUnderTest eltwise(Tensor (*function)(const Tensor&), backend::Eltwise operation) {
  return eltwise([=](const GoldenCase& given) { return function(given.inputs[0]); }, operation);
}

OpUnderTest not_by(std::vector<std::string> implementations, OpUnderTest op) {
  op.not_by = std::move(implementations);
  return op;
}

OpUnderTest only_public(const std::function<Tensor(std::span<const Tensor>)>& function) {
  return {.run = [=](const GoldenCase& given) {
    return std::vector<Computed>{{"quern::ops", function(given.inputs)}};
  }};
}

}  // namespace

TEST_CASE("binary ops agree with PyTorch in every dtype and layout") {
  using backend::Binary;
  check_goldens({{"add", binary(ops::add, Binary::add)},
                 {"sub", binary(ops::sub, Binary::sub)},
                 {"mul", binary(ops::mul, Binary::mul)},
                 {"div", binary(ops::div, Binary::div)},
                 {"minimum", not_by({"onednn"}, binary(ops::minimum, Binary::minimum))},
                 {"maximum", not_by({"onednn"}, binary(ops::maximum, Binary::maximum))}});
}

TEST_CASE("functions of one element agree with PyTorch in every dtype and layout") {
  using backend::Eltwise;
  OpUnderTest exponential = not_by({"kernel"}, eltwise(ops::exp, Eltwise::exp));
  exponential.exponent = 88;
  check_goldens(
      {{"neg", only_public([](auto x) { return ops::neg(x[0]); })},
       {"abs", only_public([](auto x) { return ops::abs(x[0]); })},
       {"exp", exponential},
       {"log", not_by({"kernel", "onednn"}, eltwise(ops::log, Eltwise::log))},
       {"sqrt", not_by({"kernel"}, eltwise(ops::sqrt, Eltwise::sqrt))},
       {"square", not_by({"kernel"}, eltwise(ops::square, Eltwise::square))},
       {"tanh", not_by({"kernel"}, eltwise(ops::tanh, Eltwise::tanh))},
       {"sigmoid", eltwise(ops::sigmoid, Eltwise::sigmoid)},
       {"relu", not_by({"kernel"}, eltwise(ops::relu, Eltwise::relu))},
       {"leaky_relu", not_by({"kernel"}, eltwise(
                                             [](const GoldenCase& given) {
                                               const double slope = given.number("slope", 0.01);
                                               return ops::leaky_relu(given.inputs[0],
                                                                      static_cast<float>(slope));
                                             },
                                             Eltwise::relu, "slope", 0.01f))},
       {"elu", not_by({"kernel"}, eltwise(
                                      [](const GoldenCase& given) {
                                        const double alpha = given.number("alpha", 1);
                                        return ops::elu(given.inputs[0], static_cast<float>(alpha));
                                      },
                                      Eltwise::elu, "alpha", 1.f))},
       {"gelu", eltwise([](const GoldenCase& given) { return ops::gelu(given.inputs[0]); },
                        Eltwise::gelu_erf)},
       {"gelu_tanh",
        eltwise(
            [](const GoldenCase& given) { return ops::gelu(given.inputs[0], ops::GeluForm::tanh); },
            Eltwise::gelu_tanh)},
       {"silu", eltwise(ops::silu, Eltwise::silu)},
       {"softplus", not_by({"kernel", "onednn"}, eltwise(ops::softplus, Eltwise::softplus))},
       {"mish", eltwise(ops::mish, Eltwise::mish)},
       {"hardswish", not_by({"kernel"}, eltwise(ops::hardswish, Eltwise::hardswish))},
       {"clip", not_by({"kernel"}, eltwise(
                                       [](const GoldenCase& given) {
                                         return ops::clip(
                                             given.inputs[0],
                                             static_cast<float>(given.number("low", 0)),
                                             static_cast<float>(given.number("high", 0)));
                                       },
                                       Eltwise::clip, "low"))}});
}

TEST_CASE("silu_mul agrees with PyTorch on every target") {
  check_goldens({{"silu_mul", only_public([](auto x) { return ops::silu_mul(x[0], x[1]); })}});
}

TEST_CASE("elementwise ops refuse wrong dtypes, shapes that do not fit and integers by zero") {
  const Tensor floats = Tensor::zeros({2, 3});
  const Tensor ints = Tensor::zeros({2, 3}, DType::i32);
  const Tensor flags = Tensor::zeros({3}, DType::boolean);
  const Tensor strings = Tensor::empty({3}, DType::string);
  CHECK(code_of([&] { ops::add(floats, ints); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::add(floats, Tensor::zeros({2})); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::div(ints, ints); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::add(flags, flags); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::mul(strings, strings); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::exp(ints); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::relu(flags); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::neg(Tensor::zeros({2}, DType::u8)); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::abs(flags); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::clip(floats, 1, 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::silu_mul(floats, floats.transpose(0, 1)); }) ==
        ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::silu_mul(ints, ints); }) == ErrorCode::unsupported);
}
