#include "ops/block_codes.h"

#include <doctest/doctest.h>

#include <cmath>

#include "support/golden_inputs.h"

namespace quern::ops {
namespace {

Tensor some_codes(std::uint32_t seed, const Shape& shape) {
  Tensor bytes = Tensor::empty(shape, DType::u8);
  std::uint32_t place = 0;
  for (auto& byte : bytes.mutable_data<std::uint8_t>())
    byte = static_cast<std::uint8_t>(hashed_bits(seed, place++));
  return bytes;
}

Tensor packed_codes(const BlockCodes& codes) {
  return some_codes(1, {codes.out, codes.blocks(), codes.block_bytes()});
}

Tensor some_scales(const BlockCodes& codes) {
  return hashed_tensor(2, {codes.out * codes.blocks()});
}

void check_blocks(const BlockCodes& codes, const std::optional<Tensor>& zeros) {
  CAPTURE(codes.bits);
  CAPTURE(codes.block);
  const Tensor packed = packed_codes(codes);
  const Tensor scales = some_scales(codes);
  const auto blocks = as_blocks(codes, packed, scales, zeros, {});
  REQUIRE(blocks.has_value());
  CHECK(blocks->encoding() == (codes.bits == 4 ? Encoding::q4_f32 : Encoding::q8_f32));
  const Tensor got = blocks->tensor();
  const Tensor want = decode_block_codes(codes, packed, scales, zeros, {});
  REQUIRE(got.shape() == want.shape());
  const float step = codes.bits == 4 ? 2e-6f : 2e-5f;
  for (std::size_t i = 0; i < want.data<float>().size(); ++i)
    CHECK(std::abs(got.data<float>()[i] - want.data<float>()[i]) <= step);
}

TEST_CASE("codes in blocks are the weight that decoding gives") {
  for (const std::int64_t block : {32, 64, 128}) {
    for (const std::int64_t in : {32, 96, 256}) {
      const BlockCodes four{.out = 5, .in = in, .bits = 4, .block = block};
      check_blocks(four, {});
      check_blocks(four, some_codes(3, {5, four.zero_row_bytes()}));
      check_blocks(four, hashed_tensor(4, {5 * four.blocks()}));
      check_blocks({.out = 5, .in = in, .bits = 8, .block = block}, {});
    }
  }
}

TEST_CASE("codes that blocks of 32 cannot say are left to decoding") {
  const auto is_left = [](const BlockCodes& codes, const std::optional<Tensor>& zeros,
                          const std::optional<Tensor>& groups) {
    return !as_blocks(codes, packed_codes(codes), some_scales(codes), zeros, groups);
  };
  CHECK(is_left({.out = 2, .in = 64, .bits = 4, .block = 16}, {}, {}));
  CHECK(is_left({.out = 2, .in = 45, .bits = 4, .block = 32}, {}, {}));
  CHECK(is_left({.out = 2, .in = 64, .bits = 4, .block = 32}, {}, Tensor::zeros({64}, DType::i32)));
  CHECK(is_left({.out = 2, .in = 64, .bits = 8, .block = 32}, Tensor::zeros({4}, DType::u8), {}));
}

}  // namespace
}  // namespace quern::ops
