#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

OpUnderTest moving(Tensor (*function)(const GoldenCase&)) {
  return {.run = [=](const GoldenCase& given) {
    return std::vector<Computed>{{"quern::ops", function(given)}};
  }};
}

}  // namespace

TEST_CASE("concat, gather and embedding agree with NumPy in every dtype and layout") {
  check_goldens({{"concat", moving([](const GoldenCase& given) {
                    return ops::concat(given.inputs, static_cast<int>(given.number("axis", 0)));
                  })},
                 {"gather", moving([](const GoldenCase& given) {
                    return ops::gather(given.inputs[0], given.inputs[1],
                                       static_cast<int>(given.number("axis", 0)));
                  })},
                 {"embedding", moving([](const GoldenCase& given) {
                    return ops::embedding(given.inputs[0], given.inputs[1]);
                  })}});
}

TEST_CASE("concat and gather move strings") {
  const Tensor words =
      Tensor::from({std::string("one"), std::string("two"), std::string("three")}, {3});
  const Tensor picked = ops::gather(words, Tensor::from({2, -3}, {2}));
  CHECK(picked.at<std::string>({0}) == "three");
  CHECK(picked.at<std::string>({1}) == "one");
  const Tensor both[] = {words, picked};
  CHECK(ops::concat(both, 0).at<std::string>({3}) == "three");
}

TEST_CASE("indices out of range and shapes that do not fit are refused") {
  const Tensor x = Tensor::zeros({3, 2});
  const auto at = [](std::int64_t id) { return Tensor::from({id}, {1}); };
  CHECK(code_of([&] { ops::gather(x, at(3)); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::gather(x, at(-4)); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::gather(x, x); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::gather(x, at(0), 2); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::gather(Tensor::zeros({}), at(0)); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::gather(Tensor::zeros({0, 2}), at(0)); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::embedding(x, at(-1)); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::embedding(x, at(3)); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::embedding(Tensor::zeros({3}), at(0)); }) == ErrorCode::invalid_argument);

  const Tensor narrow[] = {x, Tensor::zeros({3, 2}, DType::f64)};
  const Tensor longer[] = {x, Tensor::zeros({4, 3})};
  const Tensor flat[] = {x, Tensor::zeros({6})};
  CHECK(code_of([&] { ops::concat(narrow, 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::concat(longer, 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::concat(flat, 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::concat({}, 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::concat(longer, 2); }) == ErrorCode::invalid_argument);
}
