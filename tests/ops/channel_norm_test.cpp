#include "ops/window_options.h"
#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

float number(const GoldenCase& given, const std::string& name, double otherwise) {
  return static_cast<float>(given.number(name, otherwise));
}

std::optional<Tensor> input(const GoldenCase& given, std::size_t index) {
  return index < given.inputs.size() ? std::optional(given.inputs[index]) : std::nullopt;
}

template <class Function>
OpUnderTest op(const Function& function) {
  return {
      .run = [=](const GoldenCase& given) -> std::vector<Computed> {
        return {{"quern::ops", function(given)}};
      },
      .terms =
          [](const GoldenCase& given) { return given.inputs[0].numel() / given.inputs[0].dim(0); }};
}

}  // namespace

TEST_CASE("norms over channels agree with PyTorch in every dtype and layout") {
  check_goldens(
      {{"batch_norm", op([](const GoldenCase& given) {
          const auto& in = given.inputs;
          return ops::batch_norm(in[0], in[1], in[2], in[3], in[4], number(given, "epsilon", 1e-5));
        })},
       {"group_norm", op([](const GoldenCase& given) {
          return ops::group_norm(given.inputs[0],
                                 static_cast<std::int64_t>(given.number("groups", 1)),
                                 input(given, 1), input(given, 2), number(given, "epsilon", 1e-5));
        })},
       {"instance_norm", op([](const GoldenCase& given) {
          return ops::instance_norm(given.inputs[0], input(given, 1), input(given, 2));
        })},
       {"lrn", op([](const GoldenCase& given) {
          return ops::lrn(given.inputs[0],
                          {.size = static_cast<std::int64_t>(given.number("size", 5)),
                           .alpha = number(given, "alpha", 1e-4),
                           .beta = number(given, "beta", 0.75),
                           .bias = number(given, "bias", 1)});
        })}},
      "tests/data/network_goldens.safetensors");
}

TEST_CASE("norms over channels refuse shapes and dtypes that do not fit") {
  const Tensor x = Tensor::zeros({2, 4, 3});
  const Tensor four = Tensor::zeros({4});
  const Tensor three = Tensor::zeros({3});
  const auto invalid = ErrorCode::invalid_argument;
  CHECK(code_of([&] { ops::batch_norm(x, four, four, four, three); }) == invalid);
  CHECK(code_of([&] { ops::batch_norm(four, four, four, four, four); }) == invalid);
  CHECK(code_of([&] { ops::group_norm(x, 3); }) == invalid);
  CHECK(code_of([&] { ops::group_norm(x, 0); }) == invalid);
  CHECK(code_of([&] { ops::group_norm(x, 2, three); }) == invalid);
  CHECK(code_of([&] { ops::lrn(x, {.size = 0}); }) == invalid);
  CHECK(code_of([&] { ops::instance_norm(x.cast(DType::i32)); }) == ErrorCode::unsupported);
}
