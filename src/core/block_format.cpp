#include "core/block_format.h"

#include <iterator>

#include "core/block_grids.h"
#include "core/block_tables.h"
#include "core/error.h"

namespace quern {
namespace {

using Bytes = const std::uint8_t*;

constexpr int kSuperBlock = 256;

void decode_q4_0(Bytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 32; ++i)
    values[i] = scale * static_cast<float>(packed_field<4, 16>(block + 2, i) - 8);
}

void decode_q4_1(Bytes block, float* values) {
  const float scale = read_f16(block);
  const float minimum = read_f16(block + 2);
  for (int i = 0; i < 32; ++i)
    values[i] = scale * static_cast<float>(packed_field<4, 16>(block + 4, i)) + minimum;
}

int five_bits(Bytes high, Bytes low, int i) {
  return packed_field<4, 16>(low, i) | packed_field<1, 1>(high, i) << 4;
}

void decode_q5_0(Bytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 32; ++i)
    values[i] = scale * static_cast<float>(five_bits(block + 2, block + 6, i) - 16);
}

void decode_q5_1(Bytes block, float* values) {
  const float scale = read_f16(block);
  const float minimum = read_f16(block + 2);
  for (int i = 0; i < 32; ++i)
    values[i] = scale * static_cast<float>(five_bits(block + 4, block + 8, i)) + minimum;
}

void decode_q8_0(Bytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 32; ++i)
    values[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
}

void decode_mxfp4(Bytes block, float* values) {
  const float scale = half_of_e8m0(block[0]);
  for (int i = 0; i < 32; ++i) {
    const auto code = static_cast<unsigned>(packed_field<4, 16>(block + 1, i));
    values[i] = scale * static_cast<float>(kE2m1DoubledValues[code]);
  }
}

void decode_iq4_nl(Bytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 32; ++i) {
    const auto code = static_cast<unsigned>(packed_field<4, 16>(block + 2, i));
    values[i] = scale * static_cast<float>(kIq4Values[code]);
  }
}

void decode_q2_k(Bytes block, float* values) {
  const Bytes quants = block + 16;
  const float scale = read_f16(block + 80);
  const float minimum = read_f16(block + 82);
  for (int i = 0; i < kSuperBlock; ++i) {
    const std::uint8_t sub = block[i / 16];
    values[i] =
        scale * static_cast<float>(sub & 15) * static_cast<float>(packed_field<2, 32>(quants, i)) -
        minimum * static_cast<float>(sub >> 4);
  }
}

void decode_q3_k(Bytes block, float* values) {
  const Bytes quants = block + 32;
  const Bytes scales = block + 96;
  const float scale = read_f16(block + 108);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int sub = packed_field<4, 8>(scales, i / 16) | packed_field<2, 4>(scales + 8, i / 16)
                                                             << 4;
    const int quant = packed_field<2, 32>(quants, i) + packed_field<1, 32>(block, i) * 4 - 4;
    values[i] = scale * static_cast<float>(sub - 32) * static_cast<float>(quant);
  }
}

struct ScaleAndMinimum {
  int scale;
  int minimum;
};

/// Of sub-block `j` in the 12 bytes that q4_k and q5_k pack eight six-bit pairs into.
ScaleAndMinimum unpack_pair(Bytes packed, int j) {
  if (j < 4) return {packed[j] & 63, packed[j + 4] & 63};
  return {(packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4, packed[j + 4] >> 4 | (packed[j] >> 6)
                                                                                     << 4};
}

void decode_q4_k(Bytes block, float* values) {
  const float scale = read_f16(block);
  const float minimum = read_f16(block + 2);
  for (int i = 0; i < kSuperBlock; ++i) {
    const ScaleAndMinimum sub = unpack_pair(block + 4, i / 32);
    values[i] = scale * static_cast<float>(sub.scale) *
                    static_cast<float>(packed_field<4, 32>(block + 16, i)) -
                minimum * static_cast<float>(sub.minimum);
  }
}

void decode_q5_k(Bytes block, float* values) {
  const float scale = read_f16(block);
  const float minimum = read_f16(block + 2);
  for (int i = 0; i < kSuperBlock; ++i) {
    const ScaleAndMinimum sub = unpack_pair(block + 4, i / 32);
    const int quant = packed_field<4, 32>(block + 48, i) | packed_field<1, 32>(block + 16, i) << 4;
    values[i] = scale * static_cast<float>(sub.scale) * static_cast<float>(quant) -
                minimum * static_cast<float>(sub.minimum);
  }
}

void decode_q6_k(Bytes block, float* values) {
  const float scale = read_f16(block + 208);
  for (int i = 0; i < kSuperBlock; ++i) {
    const auto sub = static_cast<std::int8_t>(block[192 + i / 16]);
    const int quant = packed_field<4, 64>(block, i) | packed_field<2, 32>(block + 128, i) << 4;
    values[i] = scale * static_cast<float>(sub) * static_cast<float>(quant - 32);
  }
}

void decode_q8_k(Bytes block, float* values) {
  const float scale = read_bytes<float>(block);
  for (int i = 0; i < kSuperBlock; ++i)
    values[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[4 + i]));
}

void decode_iq4_xs(Bytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int sub = packed_field<4, 1>(block + 4, i / 32) | packed_field<2, 1>(block + 2, i / 32)
                                                                << 4;
    const Bytes quants = block + 8 + i / 32 * 16;
    const auto code = static_cast<unsigned>(packed_field<4, 16>(quants, i % 32));
    values[i] = scale * static_cast<float>(sub - 32) * static_cast<float>(kIq4Values[code]);
  }
}

/// Decodes `digits` ternary digits of each of `count` bytes, the first digit of every byte first.
/// A byte holds the digits as a fraction of 256, so the product's overflow moves to the next one.
float* decode_ternary(Bytes packed, int count, int digits, float scale, float* values) {
  int power = 1;
  for (int digit = 0; digit < digits; ++digit, power *= 3) {
    for (int i = 0; i < count; ++i) {
      const auto fraction = static_cast<std::uint8_t>(packed[i] * power);
      *values++ = scale * static_cast<float>((fraction * 3 >> 8) - 1);
    }
  }
  return values;
}

void decode_tq1_0(Bytes block, float* values) {
  const float scale = read_f16(block + 52);
  values = decode_ternary(block, 32, 5, scale, values);
  values = decode_ternary(block + 32, 16, 5, scale, values);
  decode_ternary(block + 48, 4, 4, scale, values);
}

void decode_tq2_0(Bytes block, float* values) {
  const float scale = read_f16(block + 64);
  for (int i = 0; i < kSuperBlock; ++i)
    values[i] = scale * static_cast<float>(packed_field<2, 32>(block, i) - 1);
}

/// The bytes after the scale hold the sum of the values, for products.
void decode_q8_1(Bytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 32; ++i)
    values[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[4 + i]));
}

void decode_nvfp4(Bytes block, float* values) {
  for (int i = 0; i < 64; ++i) {
    const float scale = half_of_ue4m3(block[i / 16]);
    const auto code = static_cast<unsigned>(packed_field<4, 8>(block + 4, i));
    values[i] = scale * static_cast<float>(kE2m1DoubledValues[code]);
  }
}

void decode_q1_0(Bytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 128; ++i) values[i] = packed_field<1, 1>(block + 2, i) != 0 ? scale : -scale;
}

void decode_q2_0(Bytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 64; ++i)
    values[i] = scale * static_cast<float>(packed_field<2, 1>(block + 2, i) - 1);
}

/// Blocks of ONNX's codes: f32 scale, f32 offset, codes as q4_0 has them.
void decode_q4_f32(Bytes block, float* values) {
  const auto scale = read_bytes<float>(block);
  const auto offset = read_bytes<float>(block + 4);
  for (int i = 0; i < 32; ++i)
    values[i] = scale * static_cast<float>(packed_field<4, 16>(block + 8, i)) + offset;
}

/// f32 scale, signed codes.
void decode_q8_f32(Bytes block, float* values) {
  const auto scale = read_bytes<float>(block);
  for (int i = 0; i < 32; ++i)
    values[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[4 + i]));
}

struct Row {
  BlockFormat format;
  void (*decode)(Bytes block, float* values);
};

/// In the order of Encoding.
constexpr Row kRows[] = {
    {{}, nullptr},
    {{32, 18}, decode_q4_0},
    {{32, 20}, decode_q4_1},
    {{32, 22}, decode_q5_0},
    {{32, 24}, decode_q5_1},
    {{32, 34}, decode_q8_0},
    {{32, 17}, decode_mxfp4},
    {{32, 18}, decode_iq4_nl},
    {{kSuperBlock, 84}, decode_q2_k},
    {{kSuperBlock, 110}, decode_q3_k},
    {{kSuperBlock, 144}, decode_q4_k},
    {{kSuperBlock, 176}, decode_q5_k},
    {{kSuperBlock, 210}, decode_q6_k},
    {{kSuperBlock, 292}, decode_q8_k},
    {{kSuperBlock, 136}, decode_iq4_xs},
    {{kSuperBlock, 54}, decode_tq1_0},
    {{kSuperBlock, 66}, decode_tq2_0},
    {{32, 36}, decode_q8_1},
    {{64, 36}, decode_nvfp4},
    {{128, 18}, decode_q1_0},
    {{64, 18}, decode_q2_0},
    {{kSuperBlock, 50}, decode_iq1_s},
    {{kSuperBlock, 56}, decode_iq1_m},
    {{kSuperBlock, 66}, decode_iq2_xxs},
    {{kSuperBlock, 74}, decode_iq2_xs},
    {{kSuperBlock, 82}, decode_iq2_s},
    {{kSuperBlock, 98}, decode_iq3_xxs},
    {{kSuperBlock, 110}, decode_iq3_s},
    {{32, 24}, decode_q4_f32},
    {{32, 36}, decode_q8_f32},
};
static_assert(std::size(kRows) == static_cast<std::size_t>(Encoding::q8_f32) + 1);

const Row& row_of(Encoding encoding) {
  require(encoding != Encoding::dense, "block_format: a dense weight has no blocks");
  return kRows[static_cast<unsigned>(encoding)];
}

}  // namespace

BlockFormat block_format(Encoding encoding) { return row_of(encoding).format; }

void decode_blocks(Encoding encoding, const std::byte* blocks, float* values, std::int64_t count) {
  const Row& row = row_of(encoding);
  auto at = reinterpret_cast<Bytes>(blocks);
  for (std::int64_t done = 0; done < count; done += row.format.values, at += row.format.bytes) {
    row.decode(at, values + done);
  }
}

}  // namespace quern
