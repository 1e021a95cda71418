#include "ops/normalization.h"

#include <cmath>
#include <limits>
#include "kernels/each_target.h"

#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

std::int64_t last_axis(const GoldenCase& given) { return given.inputs[0].dim(-1); }

float epsilon_of(const GoldenCase& given) {
  return static_cast<float>(given.number("epsilon", 1e-5));
}

OpUnderTest softmax(Tensor (*function)(const Tensor&, int), bool logarithm) {
  const auto run = [=](const GoldenCase& given) {
    const Tensor& x = given.inputs[0];
    const int axis = static_cast<int>(given.number("axis", -1));
    std::vector<Computed> results{{"quern::ops", function(x, axis)}};
    if (x.numel() == 0) return results;
    run_each(
        ops::softmax_implementations(),
        [&] {
          return ops::SoftmaxArgs{x.contiguous(), Tensor::empty(x.shape(), x.dtype()),
                                  axis < 0 ? axis + x.rank() : axis, logarithm};
        },
        results);
    return results;
  };
  const auto terms = [](const GoldenCase& given) {
    return given.inputs[0].dim(static_cast<int>(given.number("axis", -1)));
  };
  return {.run = run,
          .terms = terms,
          .not_by = logarithm ? std::vector<std::string>{"onednn"} : std::vector<std::string>{}};
}

std::vector<Computed> run_layer_norm(const GoldenCase& given) {
  const Tensor& x = given.inputs[0];
  std::optional<Tensor> scale, shift;
  const std::string parts = given.text("parts");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    (parts[i] == 'w' ? scale : shift) = given.inputs[i + 1];
  }
  std::vector<Computed> results{
      {"quern::ops", ops::layer_norm(x, scale, shift, epsilon_of(given))}};
  const auto channels = [](const std::optional<Tensor>& values) {
    return values ? std::optional(values->cast(DType::f32).contiguous()) : std::nullopt;
  };
  run_each(
      ops::layer_norm_implementations(),
      [&] {
        return ops::LayerNormArgs{x.contiguous(), Tensor::empty(x.shape(), x.dtype()),
                                  channels(scale), channels(shift), epsilon_of(given)};
      },
      results);
  return results;
}

}  // namespace

TEST_CASE("log_softmax takes a view whose axis of size 1 has no stride") {
  const Tensor x = Tensor::full({}, 3).expand({1, 1});
  CHECK(ops::log_softmax(x, 0).at<float>({0, 0}) == 0.f);
}

TEST_CASE("softmax agrees with PyTorch in every dtype and layout, on every target") {
  check_goldens({{"softmax", softmax(ops::softmax, false)},
                 {"log_softmax", softmax(ops::log_softmax, true)}});
}

TEST_CASE("softmax gives what is masked no part, and NaN where there is no sum") {
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();
  static constexpr float kLowest = std::numeric_limits<float>::lowest();
  on_each_target([] {
    for (const std::int64_t size : {3, 16, 37}) {
      CAPTURE(size);
      const auto row_of = [size](float first, float second, float rest) {
        Tensor row = Tensor::full({1, size}, rest);
        row.mutable_at<float>({0, 0}) = first;
        row.mutable_at<float>({0, 1}) = second;
        return row;
      };
      for (const float masked : {-kInfinity, kLowest}) {
        const Tensor got = ops::softmax(row_of(2.f, 2.f, masked), 1);
        CHECK(got.at<float>({0, 0}) == 0.5f);
        CHECK(got.at<float>({0, size - 1}) == 0.f);
        const Tensor logarithm = ops::log_softmax(row_of(2.f, 2.f, masked), 1);
        CHECK(logarithm.at<float>({0, 1}) == doctest::Approx(-std::log(2.0)));
        CHECK(logarithm.at<float>({0, size - 1}) <= kLowest);
      }
      const float nan = std::numeric_limits<float>::quiet_NaN();
      for (const Tensor& row :
           {row_of(1.f, nan, 0.f), row_of(nan, 1.f, 0.f), row_of(1.f, kInfinity, 0.f),
            row_of(1.f, 2.f, nan), row_of(-kInfinity, -kInfinity, -kInfinity)}) {
        const Tensor got = ops::softmax(row, 1);
        for (const float value : got.data<float>()) CHECK(std::isnan(value));
      }
    }
  });
}

TEST_CASE("layer_norm agrees with PyTorch in every dtype and layout") {
  check_goldens({{"layer_norm", {.run = run_layer_norm, .terms = last_axis}}});
}

TEST_CASE("rms_norm agrees with PyTorch in every dtype and layout, on every target") {
  check_goldens({{"rms_norm",
                  {.run =
                       [](const GoldenCase& given) {
                         return std::vector<Computed>{
                             {"quern::ops",
                              ops::rms_norm(given.inputs[0], given.inputs[1], epsilon_of(given))}};
                       },
                   .terms = last_axis}}});
}

TEST_CASE("norms refuse wrong shapes, axes and dtypes") {
  const Tensor x = Tensor::zeros({2, 3});
  const Tensor ints = x.cast(DType::i32);
  const Tensor wrong = Tensor::zeros({2});
  CHECK(code_of([&] { ops::softmax(x, 2); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::softmax(Tensor::zeros({}), 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::softmax(ints); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::layer_norm(x, wrong); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::layer_norm(ints); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::layer_norm(Tensor::zeros({})); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::rms_norm(x, wrong); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::rms_norm(ints, wrong); }) == ErrorCode::unsupported);
}
