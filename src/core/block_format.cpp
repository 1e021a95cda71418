#include "core/block_format.h"

#include <cstring>

#include "core/error.h"

namespace quern {
namespace {

float read_f16(const std::byte* at) {
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return Float16::widen(bits);
}

void decode_q8_0(const std::byte* block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 32; ++i)
    values[i] = static_cast<float>(static_cast<std::int8_t>(block[2 + i])) * scale;
}

using DecodeBlock = void (*)(const std::byte* block, float* values);

DecodeBlock decoder(Encoding encoding) {
  switch (encoding) {
    case Encoding::q8_0:
      return decode_q8_0;
    default:
      fail(ErrorCode::unsupported, "decode: encoding {} is not supported", to_string(encoding));
  }
}

}  // namespace

BlockFormat block_format(Encoding encoding) {
  switch (encoding) {
    case Encoding::dense:
      break;
    case Encoding::q4_0:
      return {32, 18};
    case Encoding::q4_1:
      return {32, 20};
    case Encoding::q5_0:
      return {32, 22};
    case Encoding::q5_1:
      return {32, 24};
    case Encoding::q8_0:
      return {32, 34};
    case Encoding::mxfp4:
      return {32, 17};
    case Encoding::iq4_nl:
      return {32, 18};
    case Encoding::q2_k:
      return {256, 84};
    case Encoding::q3_k:
      return {256, 110};
    case Encoding::q4_k:
      return {256, 144};
    case Encoding::q5_k:
      return {256, 176};
    case Encoding::q6_k:
      return {256, 210};
    case Encoding::q8_k:
      return {256, 292};
    case Encoding::iq4_xs:
      return {256, 136};
    case Encoding::tq1_0:
      return {256, 54};
    case Encoding::tq2_0:
      return {256, 66};
  }
  fail(ErrorCode::invalid_argument, "block_format: a dense weight has no blocks");
}

void decode_blocks(Encoding encoding, const std::byte* blocks, float* values, std::int64_t count) {
  const BlockFormat block = block_format(encoding);
  const DecodeBlock decode = decoder(encoding);
  for (std::int64_t i = 0; i < count / block.values; ++i) {
    decode(blocks + i * block.bytes, values + i * block.values);
  }
}

}  // namespace quern
