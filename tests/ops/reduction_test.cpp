#include "ops/reduction.h"

#include <vector>

#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

using Reduce = Tensor (*)(const Tensor&, std::span<const int>, bool);

std::vector<int> axes_of(const GoldenCase& given) {
  const std::string text = given.text("axes");
  std::vector<int> axes;
  for (const auto axis : golden::split(text, '+')) axes.push_back(std::stoi(std::string(axis)));
  return axes;
}

Shape reduced(const Shape& shape, const std::vector<int>& axes) {
  if (axes.empty()) return Shape::filled(shape.rank(), 1);
  Shape result = shape;
  for (const int axis : axes) result[axis < 0 ? axis + shape.rank() : axis] = 1;
  return result;
}

OpUnderTest reduction(Reduce function, backend::Reduction operation,
                      std::vector<std::string> not_by = {}) {
  const auto terms = [](const GoldenCase& given) {
    const Shape& shape = given.inputs[0].shape();
    const std::int64_t left = reduced(shape, axes_of(given)).numel();
    return left == 0 ? 1 : shape.numel() / left;
  };
  const auto run = [=](const GoldenCase& given) {
    const Tensor& x = given.inputs[0];
    const std::vector<int> axes = axes_of(given);
    std::vector<Computed> results{{"quern::ops", function(x, axes, given.number("keep", 0) != 0)}};
    const Shape shape = results[0].result.shape();
    const DType dtype = results[0].result.dtype();
    run_each(
        ops::reduction_implementations(),
        [&] {
          return ops::ReductionArgs{operation, x, Tensor::empty(reduced(x.shape(), axes), dtype)};
        },
        results);
    for (Computed& computed : results) {
      if (!computed.refused) computed.result = computed.result.reshape(shape);
    }
    return results;
  };
  return {.run = run, .terms = terms, .not_by = std::move(not_by)};
}

}  // namespace

TEST_CASE("reductions agree with PyTorch in every dtype and layout") {
  using backend::Reduction;
  check_goldens({{"sum", reduction(ops::sum, Reduction::sum)},
                 {"mean", reduction(ops::mean, Reduction::mean)},
                 {"max", reduction(ops::max, Reduction::max, {"onednn"})},
                 {"min", reduction(ops::min, Reduction::min, {"onednn"})}});
}

TEST_CASE("argmax agrees with PyTorch in every dtype and layout") {
  check_goldens(
      {{"argmax", {.run = [](const GoldenCase& given) {
          const int axis = static_cast<int>(given.number("axis", -1));
          return std::vector<Computed>{{"quern::ops", ops::argmax(given.inputs[0], axis)}};
        }}}});
}

TEST_CASE("argmax gives the first of equal elements") {
  CHECK(ops::argmax(Tensor::from({1, 3, 2, 3}, {4})).item<std::int64_t>() == 1);
}

TEST_CASE("reductions refuse bad axes, dtypes and maxima of nothing") {
  const Tensor x = Tensor::zeros({2, 3});
  const Tensor empty = Tensor::zeros({0, 3});
  const int beyond[] = {2};
  const int first[] = {0};
  CHECK(code_of([&] { ops::sum(x, beyond); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::argmax(x, -3); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::argmax(Tensor::zeros({}), 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::max(empty, first); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::argmax(empty, 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ops::mean(x.cast(DType::i32)); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::sum(Tensor::empty({2}, DType::string)); }) == ErrorCode::unsupported);
  const int last[] = {1};
  CHECK(ops::max(empty, last).shape() == Shape{0});
}
