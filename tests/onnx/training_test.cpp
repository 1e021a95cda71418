#include "onnx/training/loss.h"
#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

namespace quern::onnx {
namespace {

Tensor cross_entropy(const GoldenCase& given) {
  using training::LossReduction;
  training::LossOptions options;
  const std::string reduction = given.text("reduction");
  options.reduction = reduction == "none"  ? LossReduction::none
                      : reduction == "sum" ? LossReduction::sum
                                           : LossReduction::mean;
  options.ignore_index = static_cast<std::int64_t>(given.number("ignore", -100));
  if (given.inputs.size() > 2) options.weight = given.inputs[2];
  return training::nll_loss(ops::log_softmax(given.inputs[0], 1), given.inputs[1], options);
}

}  // namespace

TEST_CASE("losses agree with PyTorch") {
  const OpUnderTest loss{.run =
                             [](const GoldenCase& given) {
                               return std::vector<Computed>{{"quern::onnx", cross_entropy(given)}};
                             },
                         .terms = [](const GoldenCase&) { return std::int64_t{15}; }};
  check_goldens({{"cross_entropy", loss}}, "tests/data/maths_goldens.safetensors");
}

TEST_CASE("a target that is no class is an error") {
  const Tensor scores = Tensor::zeros({2, 3});
  CHECK(code_of([&] { training::nll_loss(scores, Tensor::full({2}, 3, DType::i64)); }) ==
        ErrorCode::invalid_argument);
}

}  // namespace quern::onnx
