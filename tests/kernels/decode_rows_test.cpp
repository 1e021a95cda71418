#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "each_target.h"
#include "kernels/simd_decode.h"
#include "kernels/weight_rows.h"
#include "random_weight.h"

using namespace quern;

namespace {

void check_rows(const RandomWeight& weight) {
  const std::int64_t n = weight.rows().n, k = weight.rows().k;
  const std::vector<float> expected = weight.values();
  on_each_target([&] {
    std::vector<float> wide(static_cast<std::size_t>(n * k));
    kernels::decode_rows(weight.rows(), 0, n, wide.data(), k);
    CHECK(std::memcmp(wide.data(), expected.data(), wide.size() * sizeof(float)) == 0);

    const std::int64_t stride = k + 5;
    std::vector<BFloat16> narrow(static_cast<std::size_t>((n - 1) * stride));
    kernels::decode_rows(weight.rows(), 1, n, narrow.data(), stride);
    int wrong = 0;
    for (std::int64_t i = 0; i < n - 1; ++i) {
      for (std::int64_t j = 0; j < stride; ++j) {
        const float value = j < k ? expected[static_cast<std::size_t>((i + 1) * k + j)] : 0.f;
        wrong += narrow[static_cast<std::size_t>(i * stride + j)].bits != BFloat16(value).bits;
      }
    }
    CHECK(wrong == 0);
  });
}

}  // namespace

TEST_CASE("decoded rows are those of the portable decoder, bit for bit, on every target") {
  for (int i = 0; i <= static_cast<int>(Encoding::q8_f32); ++i) {
    const auto encoding = static_cast<Encoding>(i);
    INFO(to_string(encoding));
    const int block = encoding == Encoding::dense ? 1 : block_format(encoding).values;
    const auto whole_blocks = [&](std::int64_t k) { return (k + block - 1) / block * block; };
    check_rows(RandomWeight(encoding, DType::f32, 3, whole_blocks(96), 3));
    check_rows(RandomWeight(encoding, DType::f32, 2, whole_blocks(1312), 4));
    check_rows(RandomWeight(encoding, DType::f32, 2, whole_blocks(2304), 4));
  }
  check_rows(RandomWeight(Encoding::dense, DType::f16, 3, 1037, 5));
  check_rows(RandomWeight(Encoding::dense, DType::bf16, 3, 1037, 6));
}

TEST_CASE("every f16 scale decodes as the portable decoder does") {
  for (const Encoding encoding : {Encoding::q8_0, Encoding::q4_k}) {
    RandomWeight weight(encoding, DType::f32, 65536, block_format(encoding).values, 8);
    auto* bytes = const_cast<std::byte*>(weight.rows().data);
    const std::int64_t stride = kernels::row_bytes(weight.rows());
    for (int bits = 0; bits < 65536; ++bits) {
      const auto half = static_cast<std::uint16_t>((bits & 0x7c00) == 0x7c00 ? 0 : bits);
      std::memcpy(bytes + bits * stride, &half, sizeof half);
    }
    check_rows(weight);
  }
}

TEST_CASE("rounding to bf16 keeps NaN, infinity and ties to even on every target") {
  std::vector<float> values{std::numeric_limits<float>::quiet_NaN(),
                            std::bit_cast<float>(0xff800001u),
                            std::bit_cast<float>(0x7fffffffu),
                            -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::max(),
                            1.00390625f,
                            1.01171875f,
                            -0.f,
                            1e-45f};
  while (values.size() < 77) values.push_back(1.f + static_cast<float>(values.size()) / 1024.f);
  on_each_target([&] {
    std::vector<BFloat16> got(values.size());
    kernels::round_to_bf16(values.data(), got.data(), static_cast<std::int64_t>(values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(got[i].bits == BFloat16(values[i]).bits);
  });
}
