#include "core/block_format.h"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "core/block_tables.h"
#include "quern/error.h"
#include "support/error_code.h"

using namespace quern;

namespace {

constexpr int kBlocksOfEach = 4;  // as block_decode.py writes them

std::vector<char> read_golden() {
  std::ifstream file("tests/data/block_decode.bin", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("every encoding decodes bit for bit as ggml does") {
  const std::vector<char> golden = read_golden();
  std::size_t at = 0;
  for (int i = 1; i <= static_cast<int>(Encoding::iq3_s); ++i) {
    const auto encoding = static_cast<Encoding>(i);
    CAPTURE(to_string(encoding));
    const BlockFormat format = block_format(encoding);
    const auto bytes = static_cast<std::size_t>(kBlocksOfEach * format.bytes);
    const auto count = static_cast<std::size_t>(kBlocksOfEach * format.values);
    REQUIRE(at + bytes + count * sizeof(float) <= golden.size());

    std::vector<float> values(count);
    decode_blocks(encoding, reinterpret_cast<const std::byte*>(golden.data() + at), values.data(),
                  static_cast<std::int64_t>(count));
    at += bytes;
    CHECK(std::memcmp(values.data(), golden.data() + at, count * sizeof(float)) == 0);
    at += count * sizeof(float);
  }
  CHECK(at == golden.size());
}

TEST_CASE("a dense weight has no block format") {
  CHECK(code_of([] { block_format(Encoding::dense); }) == ErrorCode::invalid_argument);
}

TEST_CASE("a UE4M3 scale is read as half of its value, its NaN as zero") {
  CHECK(half_of_ue4m3(0) == 0.f);
  CHECK(half_of_ue4m3(1) == 0x1p-10f);
  CHECK(half_of_ue4m3(7) == 7 * 0x1p-10f);
  CHECK(half_of_ue4m3(8) == 0x1p-7f);
  CHECK(half_of_ue4m3(0x38) == 0.5f);
  CHECK(half_of_ue4m3(0x7e) == 224.f);
  CHECK(half_of_ue4m3(0x7f) == 0.f);
}

TEST_CASE("an E8M0 scale is read as half of its power of two, down to subnormals") {
  CHECK(half_of_e8m0(0) == 0x1p-128f);
  CHECK(half_of_e8m0(1) == 0x1p-127f);
  CHECK(half_of_e8m0(2) == 0x1p-126f);
  CHECK(half_of_e8m0(128) == 1.f);
  CHECK(half_of_e8m0(255) == 0x1p127f);
}
