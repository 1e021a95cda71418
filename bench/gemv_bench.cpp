// Few rows of activations times stored weights, and decoding, against a plain read of memory.
//
// Each benchmark walks through copies of an 8192 x 2048 weight that together exceed the caches, so
// that bytes_per_second compares with `read`, which is what the same team of threads can read.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "kernels/matvec.h"
#include "kernels/weight_rows.h"

namespace {

using namespace quern;
using kernels::WeightRows;

constexpr std::int64_t kRows = 8192;
constexpr std::int64_t kColumns = 2048;
constexpr std::int64_t kPoolBytes = std::int64_t{1} << 29;

std::vector<std::byte>& pool() {
  static std::vector<std::byte> bytes = [] {
    std::vector<std::byte> random(kPoolBytes);
    std::mt19937_64 engine(1);
    for (std::size_t i = 0; i < random.size(); i += 8) {
      // Without the top bit of each half's exponent no f16 or f32 is huge or NaN.
      const std::uint64_t word = engine() & 0xbfffbfffbfffbfffu;
      std::memcpy(random.data() + i, &word, sizeof word);
    }
    return random;
  }();
  return bytes;
}

struct Format {
  std::string name;
  Encoding encoding;
  DType dtype = DType::f32;
};

std::vector<Format> formats() {
  std::vector<Format> all{{"f32", Encoding::dense, DType::f32},
                          {"bf16", Encoding::dense, DType::bf16},
                          {"f16", Encoding::dense, DType::f16}};
  for (const Encoding encoding :
       {Encoding::q8_0, Encoding::q4_0, Encoding::q4_k, Encoding::q6_k, Encoding::q5_k,
        Encoding::q3_k, Encoding::q2_k, Encoding::q4_1, Encoding::q5_0, Encoding::q5_1,
        Encoding::iq4_nl, Encoding::iq4_xs, Encoding::mxfp4, Encoding::tq1_0, Encoding::tq2_0}) {
    all.push_back({std::string(to_string(encoding)), encoding, DType::f32});
  }
  return all;
}

void read(benchmark::State& state) {
  const std::vector<std::byte>& bytes = pool();
  for (auto _ : state) {
    parallel_for(kPoolBytes / 64, 1024, [&](std::int64_t begin, std::int64_t end) {
      std::uint64_t sums[8] = {};
      for (const std::byte* p = bytes.data() + begin * 64; p < bytes.data() + end * 64; p += 64) {
        std::uint64_t words[8];
        std::memcpy(words, p, sizeof words);
        for (int i = 0; i < 8; ++i) sums[i] += words[i];
      }
      for (const std::uint64_t sum : sums) benchmark::DoNotOptimize(sum);
    });
  }
  state.SetBytesProcessed(state.iterations() * kPoolBytes);
}

void multiply(benchmark::State& state, const Format& format, Accuracy accuracy, std::int64_t m) {
  WeightRows weight{format.encoding, format.dtype, pool().data(), kRows, kColumns};
  const std::int64_t size = kRows * kernels::row_bytes(weight);
  const std::int64_t copies = kPoolBytes / size;
  const std::vector<float> src(static_cast<std::size_t>(m * kColumns), 0.5f);
  std::vector<float> dst(static_cast<std::size_t>(m * kRows));
  std::int64_t copy = 0;
  for (auto _ : state) {
    weight.data = pool().data() + copy * size;
    copy = (copy + 1) % copies;
    kernels::multiply_rows(weight, src.data(), m, kColumns, dst.data(), kRows, accuracy);
    benchmark::DoNotOptimize(dst.data());
  }
  state.SetBytesProcessed(state.iterations() * size);
}

/// Bytes of output, one thread, a panel at a time.
template <class T>
void decode(benchmark::State& state, const Format& format) {
  constexpr std::int64_t kPanel = 64;
  const WeightRows weight{format.encoding, format.dtype, pool().data(), kRows, kColumns};
  std::vector<T> panel(static_cast<std::size_t>(kPanel * kColumns));
  std::int64_t row = 0;
  for (auto _ : state) {
    kernels::decode_rows(weight, row, row + kPanel, panel.data(), kColumns);
    row = (row + kPanel) % kRows;
    benchmark::DoNotOptimize(panel.data());
  }
  state.SetBytesProcessed(state.iterations() * kPanel * kColumns *
                          static_cast<std::int64_t>(sizeof(T)));
}

void add_benchmarks() {
  benchmark::RegisterBenchmark("read", read)->UseRealTime();
  for (const Format& format : formats()) {
    for (const std::int64_t m : {1, 4, 8, 16, 64}) {
      const std::string name = "fast/" + format.name + "/" + std::to_string(m);
      benchmark::RegisterBenchmark(name.c_str(), multiply, format, Accuracy::fast, m)
          ->UseRealTime();
    }
    benchmark::RegisterBenchmark(("decode_bf16/" + format.name).c_str(), decode<BFloat16>, format);
    if (format.encoding == Encoding::dense) continue;
    benchmark::RegisterBenchmark(("exact/" + format.name + "/1").c_str(), multiply, format,
                                 Accuracy::exact, 1)
        ->UseRealTime();
    benchmark::RegisterBenchmark(("decode_f32/" + format.name).c_str(), decode<float>, format);
  }
}

}  // namespace

int main(int argc, char** argv) {
  add_benchmarks();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
