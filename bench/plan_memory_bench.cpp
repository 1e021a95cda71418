// Resident memory while one ONNX model is fed ever new shapes: plan_memory_bench MODEL COUNT prints
// "shapes MB" lines. The model's input x is [1, 3, height, width], of any height and width.

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "quern/onnx.h"
#include "quern/runtime.h"

namespace {

double resident_megabytes() {
  std::ifstream status("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  status >> total >> resident;
  return static_cast<double>(resident * sysconf(_SC_PAGESIZE)) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  quern::configure({.threads = 2});
  const std::int64_t count = std::atoll(argv[2]);
  const auto model = quern::onnx::Model::load(argv[1]);
  quern::onnx::Session session(model);
  // All of 100 heights and widths, large and small by turns.
  constexpr std::int64_t kSizes = 100;
  constexpr std::int64_t kStride = 7919;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t place = i * kStride % (kSizes * kSizes);
    const quern::Shape shape{1, 3, 8 + place / kSizes, 8 + place % kSizes};
    session.run({{"x", quern::Tensor::full(shape, 0.5f)}});
    if ((i + 1) % (count / 10) == 0)
      std::printf("%lld %.1f\n", static_cast<long long>(i + 1), resident_megabytes());
  }
  return 0;
}
