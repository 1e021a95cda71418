// What a user's program does first: a tensor, an error, the settings, the log, the version.
#include <cstdio>
#include <string>

#include "quern/error.h"
#include "quern/runtime.h"
#include "quern/tensor.h"
#include "quern/version.h"
#include "quern/weights.h"

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::printf("wrong: %s\n", what);
  ++failures;
}

quern::ErrorCode code_of_wrong_dtype(const quern::Tensor& tensor) {
  try {
    tensor.data<double>();
  } catch (const quern::Error& error) {
    return error.code();
  }
  return quern::ErrorCode::internal;
}

}  // namespace

int main() {
  const auto tensor = quern::Tensor::from({1.f, 2.f, 3.f, 4.f}, {2, 2});
  expect(tensor.at<float>({1, -1}) == 4.f, "an element");
  expect(tensor.cast(quern::DType::f16).dtype() == quern::DType::f16, "a cast");
  expect(code_of_wrong_dtype(tensor) == quern::ErrorCode::invalid_argument, "an error caught");

  std::string logged;
  quern::configure(
      {.threads = 1, .log = [&](quern::LogLevel, std::string_view text) { logged = text; }});
  expect(quern::runtime_options().threads == 1, "the settings");
  quern::configure({});

  const quern::Weights weights({{"layer.weight", quern::Weight(tensor)}});
  expect(weights.view("layer").contains("weight"), "named weights");
  expect(std::string(QUERN_VERSION).size() >= 5, "the version");
  return failures == 0 ? 0 : 1;
}
