#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "quern/onnx.h"

namespace quern::onnx {
namespace {

namespace fs = std::filesystem;

/// How many elements of `got` are not those of `want`, floats to 1e-3.
std::int64_t differing(const Tensor& got, const Tensor& want) {
  if (got.dtype() != want.dtype() || got.shape() != want.shape()) return want.numel() + 1;
  std::int64_t count = 0;
  const Tensor dense = got.contiguous();
  if (got.dtype() == DType::string) {
    for (std::size_t i = 0; i < want.data<std::string>().size(); ++i)
      count += dense.data<std::string>()[i] != want.data<std::string>()[i] ? 1 : 0;
    return count;
  }
  const Tensor a = dense.cast(DType::f64);
  const Tensor b = want.cast(DType::f64);
  for (std::size_t i = 0; i < a.data<double>().size(); ++i) {
    const double wanted = b.data<double>()[i];
    count += std::abs(a.data<double>()[i] - wanted) <= 1e-5 + 1e-3 * std::abs(wanted) ? 0 : 1;
  }
  return count;
}

Value open(const fs::path& folder, const char* kind, std::size_t index) {
  return Value::open(
      (folder / "test_data_set_0" / (kind + std::to_string(index) + ".pb")).string());
}

/// Runs each model in a folder, optimised and as it is; gives how many there are.
int check_models(const char* folder) {
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    for (const bool optimise : {true, false}) {
      CAPTURE(entry.path().string());
      CAPTURE(optimise);
      const Model model =
          Model::load((entry.path() / "model.onnx").string(), {.optimise = optimise});
      Values inputs;
      for (std::size_t i = 0; i < model.info().inputs.size(); ++i)
        inputs[model.info().inputs[i].name] = open(entry.path(), "input_", i);
      const Values got = model.run(inputs);
      for (std::size_t i = 0; i < model.info().outputs.size(); ++i) {
        const Tensor want = open(entry.path(), "output_", i).tensor();
        CHECK(differing(got.at(model.info().outputs[i].name).tensor(), want) == 0);
      }
    }
    ++cases;
  }
  return cases;
}

TEST_CASE("operators beyond the standard's own cases give what ONNX Runtime gives") {
  CHECK(check_models("tests/data/contrib") > 113);
}

TEST_CASE("operators in forms that opset 7 to 10 dropped give what they gave") {
  CHECK(check_models("tests/data/old_forms") > 74);
}

}  // namespace
}  // namespace quern::onnx
