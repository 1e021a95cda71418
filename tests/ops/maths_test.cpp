#include <cmath>
#include <limits>

#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);

constexpr const char* kGoldens = "tests/data/maths_goldens.safetensors";

OpUnderTest from_case(const std::function<Tensor(const GoldenCase&)>& function,
                      std::int64_t terms = 1) {
  return {.run =
              [=](const GoldenCase& given) {
                return std::vector<Computed>{{"quern::ops", function(given)}};
              },
          .terms = [=](const GoldenCase&) { return terms; }};
}

OpUnderTest unary(Unary function) {
  return from_case([=](const GoldenCase& given) { return function(given.inputs[0]); });
}

OpUnderTest binary(Binary function) {
  return from_case(
      [=](const GoldenCase& given) { return function(given.inputs[0], given.inputs[1]); });
}

int axis_of(const GoldenCase& given) { return static_cast<int>(given.number("axis", 0)); }

OpUnderTest reduction(Tensor (*function)(const Tensor&, std::span<const int>, bool)) {
  return from_case(
      [=](const GoldenCase& given) {
        const int axes[] = {static_cast<int>(given.number("axes", 0))};
        return function(given.inputs[0], std::span(axes), false);
      },
      13);
}

OpUnderTest running(Tensor (*function)(const Tensor&, int, const ops::RunningOptions&)) {
  return from_case(
      [=](const GoldenCase& given) { return function(given.inputs[0], axis_of(given), {}); }, 13);
}

ops::TopK topk(const GoldenCase& given) {
  return ops::topk(given.inputs[0], static_cast<std::int64_t>(given.number("k", 1)),
                   {.axis = axis_of(given), .largest = given.number("largest", 1) != 0});
}

Tensor einsum(const GoldenCase& given) {
  std::string equation;
  for (const char c : given.text("of")) {
    equation += c == '+' ? std::string(",") : c == '>' ? std::string("->") : std::string(1, c);
  }
  return ops::einsum(equation, given.inputs);
}

Tensor dft(const GoldenCase& given) {
  ops::DftOptions options;
  const std::string form = given.text("form");
  if (form[0] == 'i') options.direction = ops::FourierDirection::inverse;
  if (form.find('r') != std::string::npos) options.sides = ops::FourierSides::one;
  if (given.number("length", 0) > 0)
    options.length = static_cast<std::int64_t>(given.number("length", 0));
  return ops::dft(given.inputs[0], axis_of(given), options);
}

OpUnderTest window(Tensor (*function)(std::int64_t, ops::WindowForm, DType)) {
  return from_case([=](const GoldenCase& given) {
    const bool periodic = given.number("periodic", 0) != 0;
    return function(static_cast<std::int64_t>(given.number("size", 0)),
                    periodic ? ops::WindowForm::periodic : ops::WindowForm::symmetric, DType::f64);
  });
}

}  // namespace

TEST_CASE("elementwise maths agree with PyTorch in every dtype and layout") {
  check_goldens({{"ceil", unary(ops::ceil)},   {"floor", unary(ops::floor)},
                 {"round", unary(ops::round)}, {"reciprocal", unary(ops::reciprocal)},
                 {"erf", unary(ops::erf)},     {"sign", unary(ops::sign)},
                 {"sin", unary(ops::sin)},     {"cos", unary(ops::cos)},
                 {"tan", unary(ops::tan)},     {"asin", unary(ops::asin)},
                 {"acos", unary(ops::acos)},   {"atan", unary(ops::atan)},
                 {"sinh", unary(ops::sinh)},   {"cosh", unary(ops::cosh)},
                 {"asinh", unary(ops::asinh)}, {"acosh", unary(ops::acosh)},
                 {"atanh", unary(ops::atanh)}, {"pow", binary(ops::pow)},
                 {"fmod", binary(ops::fmod)},  {"mod", binary(ops::mod)}},
                kGoldens);
}

TEST_CASE("activations agree with PyTorch in every dtype and layout") {
  const auto with_alpha = [](Tensor (*function)(const Tensor&, float)) {
    return from_case([=](const GoldenCase& given) {
      return function(given.inputs[0], static_cast<float>(given.number("alpha", 1)));
    });
  };
  const auto shrink = [](float bias) {
    return from_case(
        [=](const GoldenCase& given) { return ops::shrink(given.inputs[0], 0.25f, bias); });
  };
  check_goldens({{"celu", with_alpha(ops::celu)},
                 {"swish", with_alpha(ops::swish)},
                 {"thresholded_relu", with_alpha(ops::thresholded_relu)},
                 {"selu", unary([](const Tensor& x) { return ops::selu(x); })},
                 {"softsign", unary(ops::softsign)},
                 {"hardsigmoid", unary([](const Tensor& x) { return ops::hardsigmoid(x); })},
                 {"hard_shrink", shrink(0)},
                 {"soft_shrink", shrink(0.25f)},
                 {"prelu", binary(ops::prelu)},
                 {"hardmax", from_case([](const GoldenCase& given) {
                    return ops::hardmax(given.inputs[0], axis_of(given));
                  })}},
                kGoldens);
}

TEST_CASE("comparisons, bits and choices agree with PyTorch in every dtype and layout") {
  check_goldens({{"equal", binary(ops::equal)},
                 {"greater", binary(ops::greater)},
                 {"greater_equal", binary(ops::greater_equal)},
                 {"less", binary(ops::less)},
                 {"less_equal", binary(ops::less_equal)},
                 {"bitwise_and", binary(ops::bitwise_and)},
                 {"bitwise_or", binary(ops::bitwise_or)},
                 {"bitwise_xor", binary(ops::bitwise_xor)},
                 {"shift_left", binary(ops::shift_left)},
                 {"shift_right", binary(ops::shift_right)},
                 {"where", from_case([](const GoldenCase& given) {
                    return ops::where(given.inputs[0], given.inputs[1], given.inputs[2]);
                  })}},
                kGoldens);
}

TEST_CASE("reductions, running totals and orderings agree with PyTorch") {
  check_goldens(
      {{"prod", reduction(ops::prod)},
       {"log_sum_exp", reduction(ops::log_sum_exp)},
       {"cumsum", running(ops::cumsum)},
       {"cumprod", running(ops::cumprod)},
       {"argmin", from_case([](const GoldenCase& given) {
          return ops::argmin(given.inputs[0], axis_of(given));
        })},
       {"topk_values", from_case([](const GoldenCase& given) { return topk(given).values; })},
       {"topk_indices", from_case([](const GoldenCase& given) { return topk(given).indices; })}},
      kGoldens);
}

TEST_CASE("einsum and determinants agree with PyTorch") {
  check_goldens(
      {{"einsum", from_case(einsum, 105)},
       {"det", from_case([](const GoldenCase& given) { return ops::det(given.inputs[0]); }, 7)}},
      kGoldens);
}

TEST_CASE("Fourier transforms and windows agree with PyTorch") {
  check_goldens({{"dft", from_case(dft, 129)},
                 {"stft", from_case(
                              [](const GoldenCase& given) {
                                const Tensor& frame = given.inputs[1];
                                return ops::stft(given.inputs[0], frame.numel(),
                                                 static_cast<std::int64_t>(given.number("step", 1)),
                                                 frame);
                              },
                              16)},
                 {"hann_window", window(ops::hann_window)},
                 {"blackman_window", window(ops::blackman_window)}},
                kGoldens);
}

TEST_CASE("seeded uniform numbers are NumPy's") {
  check_goldens({{"random_uniform", from_case([](const GoldenCase& given) {
                    return ops::random_uniform(
                        {static_cast<std::int64_t>(given.number("size", 0))}, 0, 1,
                        static_cast<std::uint32_t>(given.number("seed", 0)), DType::f64);
                  })}},
                kGoldens);
}

TEST_CASE("random numbers follow their distribution and their seed") {
  const Shape shape{40000};
  const Tensor normal = ops::random_normal(shape, 3, 2, 7);
  CHECK(std::abs(ops::mean(normal).item<float>() - 3) < 0.05);
  const Tensor spread = ops::square(ops::sub(normal, Tensor::scalar(3.f)));
  CHECK(std::abs(ops::mean(spread).item<float>() - 4) < 0.15);
  const Tensor flips = ops::bernoulli(Tensor::full(shape, 0.25), DType::i32, 7);
  CHECK(std::abs(ops::sum(flips).item<std::int64_t>() - 10000) < 400);
  const Tensor classes = ops::multinomial(Tensor::from({0.f, 1.0986123f}, {1, 2}), 40000, 7);
  CHECK(std::abs(ops::sum(classes).item<std::int64_t>() - 30000) < 400);
  const auto [y, kept] = ops::dropout(Tensor::full(shape, 1), 0.25, 7);
  CHECK(std::abs(ops::mean(y).item<float>() - 1) < 0.02);
  CHECK(ops::max(y).item<float>() == doctest::Approx(1 / 0.75));
  const auto same = [](const Tensor& a, const Tensor& b) {
    return ops::min(ops::equal(a, b)).item<bool>();
  };
  CHECK(same(normal, ops::random_normal(shape, 3, 2, 7)));
  CHECK_FALSE(same(normal, ops::random_normal(shape, 3, 2, 8)));
  CHECK_FALSE(same(ops::random_normal(shape), ops::random_normal(shape)));
}

TEST_CASE("clip with tensors takes every dtype, either limit, and low above high") {
  const Tensor x = Tensor::from({-5, 0, 3, 9}, {4});
  const auto ints = [](const Tensor& tensor) {
    const auto data = tensor.data<int>();
    return std::vector<int>(data.begin(), data.end());
  };
  CHECK(ints(ops::clip(x, Tensor::scalar(-1), Tensor::scalar(4))) == std::vector{-1, 0, 3, 4});
  CHECK(ints(ops::clip(x, std::nullopt, Tensor::scalar(0))) == std::vector{-5, 0, 0, 0});
  CHECK(ints(ops::clip(x, Tensor::scalar(2), std::nullopt)) == std::vector{2, 2, 3, 9});
  CHECK(ints(ops::clip(x, Tensor::scalar(4), Tensor::scalar(1))) == std::vector{1, 1, 1, 1});
  const Tensor nan = Tensor::from({std::nanf(""), 7.f}, {2});
  const Tensor clipped = ops::clip(nan, Tensor::scalar(3.f), Tensor::scalar(1.f));
  CHECK(std::isnan(clipped.at<float>({0})));
  CHECK(clipped.at<float>({1}) == 1.f);
}

TEST_CASE("integer powers wrap, and negative ones are 0 but of 1 and -1") {
  const Tensor base = Tensor::from({3, -1, 1, 0, 2}, {5});
  const auto pow = [&](int exponent) {
    const Tensor result = ops::pow(base, Tensor::scalar(exponent));
    const auto data = result.data<int>();
    return std::vector<int>(data.begin(), data.end());
  };
  CHECK(pow(3) == std::vector{27, -1, 1, 0, 8});
  CHECK(pow(-3) == std::vector{0, -1, 1, 0, 0});
  CHECK(pow(33) == std::vector{static_cast<int>(5559060566555523ULL & 0xffffffffULL), -1, 1, 0, 0});
}

TEST_CASE("running totals are exclusive and reversed where asked for") {
  const Tensor x = Tensor::from({1.f, 2.f, 3.f}, {3});
  const auto floats = [](const Tensor& tensor) {
    const auto data = tensor.data<float>();
    return std::vector<float>(data.begin(), data.end());
  };
  CHECK(floats(ops::cumsum(x, 0, {.exclusive = true})) == std::vector{0.f, 1.f, 3.f});
  CHECK(floats(ops::cumsum(x, 0, {.reverse = true})) == std::vector{6.f, 5.f, 3.f});
  CHECK(floats(ops::cumprod(x, 0, {.exclusive = true, .reverse = true})) ==
        std::vector{6.f, 3.f, 1.f});
}

TEST_CASE("equal elements keep their order in topk, and argmax takes the last where asked for") {
  const Tensor x = Tensor::from({1.f, 3.f, std::nanf(""), 3.f, 3.f}, {5});
  const ops::TopK best = ops::topk(x, 3);
  CHECK(best.indices.at<std::int64_t>({0}) == 2);
  CHECK(best.indices.at<std::int64_t>({1}) == 1);
  CHECK(best.indices.at<std::int64_t>({2}) == 3);
  CHECK(ops::argmax(Tensor::from({1, 3, 3, 2}, {4}), 0, ops::Ties::last).item<std::int64_t>() == 2);
}

TEST_CASE("prelu of integers wraps") {
  constexpr auto kLowest = std::numeric_limits<std::int64_t>::min();
  const Tensor x = Tensor::from({kLowest, std::int64_t{-3}, std::int64_t{5}}, {3});
  const Tensor y = ops::prelu(x, Tensor::from({kLowest, kLowest, kLowest}, {3}));
  CHECK(y.at<std::int64_t>({0}) == 0);
  CHECK(y.at<std::int64_t>({1}) == kLowest);
  CHECK(y.at<std::int64_t>({2}) == 5);
}

TEST_CASE("shrink of integers ends at their range") {
  const Tensor x = Tensor::from({std::int8_t{-100}, std::int8_t{3}, std::int8_t{90}}, {3});
  const Tensor y = ops::shrink(x, 5.f, -1e18f);
  CHECK(y.at<std::int8_t>({0}) == -128);
  CHECK(y.at<std::int8_t>({1}) == 0);
  CHECK(y.at<std::int8_t>({2}) == 127);
}

TEST_CASE("maths refuse wrong dtypes, shapes and arguments") {
  const Tensor x = Tensor::zeros({2, 3});
  const Tensor ints = Tensor::zeros({2, 3}, DType::i32);
  const auto code = [](auto function) { return code_of(function); };
  constexpr auto kInvalid = ErrorCode::invalid_argument;
  constexpr auto kUnsupported = ErrorCode::unsupported;
  CHECK(code([&] { ops::sin(ints); }) == kUnsupported);
  CHECK(code([&] { ops::mod(ints, ints); }) == kInvalid);
  CHECK(code([&] { ops::equal(x, ints); }) == kInvalid);
  CHECK(code([&] { ops::logical_and(ints, ints); }) == kInvalid);
  CHECK(code([&] { ops::bitwise_not(x); }) == kUnsupported);
  CHECK(code([&] { ops::shift_left(ints, ints); }) == kUnsupported);
  CHECK(code([&] { ops::where(x, x, x); }) == kInvalid);
  CHECK(code([&] { ops::prelu(x, Tensor::zeros({5, 2, 3})); }) == kInvalid);
  CHECK(code([&] { ops::topk(x, 4); }) == kInvalid);
  CHECK(code([&] { ops::cumsum(x, 2); }) == kInvalid);
  CHECK(code([&] { ops::det(x); }) == kInvalid);
  const Tensor pair[] = {x, x};
  for (const char* equation : {"ij", "ij,jk", "ij,jk->ik", "ij,ij->k", "ij,ij->ii", "i...j...,ij",
                               "ij,i1->j", "ijk,ij->i"})
    CHECK(code([&] { ops::einsum(equation, pair); }) == kInvalid);
  CHECK(code([&] { ops::dft(x, 1); }) == kInvalid);
  CHECK(code([&] { ops::dropout(x, 1); }) == kInvalid);
  CHECK(code([&] { ops::mel_weight_matrix({.bins = -1}); }) == kInvalid);
}
