#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "onnx/passes_difference.h"
#include "quern/runtime.h"

// compare_passes FIRST COUNT [ISA [THREADS]]: graphs made from the seeds FIRST, FIRST + 1, ...,
// with all passes and without. ISA: automatic, baseline, avx2, avx512. Prints those that differ;
// exit code 1 where one does.
int main(int argc, char** argv) {
  using quern::Isa;
  if (argc < 3) {
    std::fprintf(stderr, "compare_passes FIRST COUNT [automatic|baseline|avx2|avx512 [THREADS]]\n");
    return 2;
  }
  const auto number = [&](int index) { return std::strtoull(argv[index], nullptr, 10); };
  const std::string isa = argc > 3 ? argv[3] : "automatic";
  quern::RuntimeOptions options;
  options.threads = argc > 4 ? static_cast<int>(number(4)) : 1;
  if (isa == "baseline") options.max_isa = Isa::baseline;
  if (isa == "avx2") options.max_isa = Isa::avx2;
  if (isa == "avx512") options.max_isa = Isa::avx512;
  quern::configure(options);
  const std::uint64_t first = number(1);
  std::uint64_t wrong = 0;
  for (std::uint64_t seed = first; seed < first + number(2); ++seed) {
    const std::string difference = quern::random_graphs::passes_difference(seed);
    if (difference.empty()) continue;
    ++wrong;
    std::printf("%s\n", difference.c_str());
    std::fflush(stdout);
  }
  std::printf("%llu of %llu differ on %s\n", static_cast<unsigned long long>(wrong),
              static_cast<unsigned long long>(number(2)), quern::runtime_info().isa.c_str());
  return wrong == 0 ? 0 : 1;
}
