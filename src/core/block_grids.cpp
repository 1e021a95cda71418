#include "core/block_grids.h"

#include <bit>

#include "core/block_tables.h"

namespace quern {
namespace {

using GridBytes = const std::uint8_t*;

constexpr std::array<float, 4> kIq1Values = {-1, 0, 1, 0};
constexpr std::array<float, 4> kIq2Values = {0x08, 0x19, 0x2b, 0};
constexpr std::array<float, 8> kIq3XxsValues = {0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3e};
constexpr std::array<float, 8> kIq3SValues = {1, 3, 5, 7, 9, 11, 13, 15};

/// Signs of eight values, of which seven are stored: there is an even number of minus signs.
unsigned even_signs(unsigned seven) {
  return seven | static_cast<unsigned>(std::popcount(seven) & 1) << 7;
}

/// The values of one point of a grid, scaled, negative where the bit in `signs` is set.
template <std::size_t kinds>
float* put_point(unsigned point, const std::array<float, kinds>& meaning, float scale,
                 unsigned signs, float* values) {
  constexpr unsigned kBits = kinds == 4 ? 2 : 3;
  constexpr unsigned kCount = kinds == 4 ? 8 : 4;
  for (unsigned i = 0; i < kCount; ++i) {
    const float value = scale * meaning[point >> (kBits * i) & (kinds - 1)];
    *values++ = (signs >> i & 1u) != 0 ? -value : value;
  }
  return values;
}

/// Ternary values moved by an eighth, downwards or upwards.
float* put_moved(unsigned point, float scale, bool down, float* values) {
  const float delta = down ? -0.125f : 0.125f;
  for (unsigned i = 0; i < 8; ++i) *values++ = scale * (kIq1Values[point >> (2 * i) & 3u] + delta);
  return values;
}

}  // namespace

void decode_iq1_s(GridBytes block, float* values) {
  const float scale = read_f16(block);
  for (int group = 0; group < 8; ++group) {
    const unsigned high = read_bytes<std::uint16_t>(block + 34 + 2 * group);
    const float group_scale = scale * static_cast<float>(2 * (high >> 12 & 7u) + 1);
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned index = block[2 + 4 * group + static_cast<int>(i)] | (high >> (3 * i) & 7u)
                                                                              << 8;
      values = put_moved(kIq1Grid[index], group_scale, (high & 0x8000u) != 0, values);
    }
  }
}

void decode_iq1_m(GridBytes block, float* values) {
  const GridBytes scales = block + 48;
  unsigned bits = 0;  // of the block's scale, four in each of the words with the groups' scales
  for (int i = 0; i < 4; ++i) bits |= static_cast<unsigned>(scales[2 * i + 1] >> 4) << (4 * i);
  const float scale = Float16::widen(static_cast<std::uint16_t>(bits));
  for (int i = 0; i < 32; ++i) {
    const unsigned word = read_bytes<std::uint16_t>(scales + i / 8 * 2);
    const float group_scale = scale * static_cast<float>(2 * (word >> (i / 2 % 4 * 3) & 7u) + 1);
    const unsigned high = block[32 + i / 2] >> (i % 2 * 4);
    values =
        put_moved(kIq1Grid[block[i] | (high & 7u) << 8], group_scale, (high & 8u) != 0, values);
  }
}

void decode_iq2_xxs(GridBytes block, float* values) {
  const float scale = read_f16(block);
  for (int group = 0; group < 8; ++group) {
    const GridBytes indices = block + 2 + 8 * group;
    const auto rest = read_bytes<std::uint32_t>(indices + 4);
    const float group_scale = scale * (0.5f + static_cast<float>(rest >> 28)) * 0.25f;
    for (int i = 0; i < 4; ++i) {
      values = put_point(kIq2XxsGrid[indices[i]], kIq2Values, group_scale,
                         even_signs(rest >> (7 * i) & 127u), values);
    }
  }
}

void decode_iq2_xs(GridBytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 32; ++i) {
    const unsigned word = read_bytes<std::uint16_t>(block + 2 + 2 * i);
    const unsigned sub = block[66 + i / 4] >> (i / 2 % 2 * 4) & 15u;
    values =
        put_point(kIq2XsGrid[word & 511u], kIq2Values,
                  scale * (0.5f + static_cast<float>(sub)) * 0.25f, even_signs(word >> 9), values);
  }
}

void decode_iq2_s(GridBytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 32; ++i) {
    const unsigned high = block[66 + i / 4] >> (i % 4 * 2) & 3u;
    const unsigned sub = block[74 + i / 4] >> (i / 2 % 2 * 4) & 15u;
    values = put_point(kIq2SGrid[block[2 + i] | high << 8], kIq2Values,
                       scale * (0.5f + static_cast<float>(sub)) * 0.25f, block[34 + i], values);
  }
}

void decode_iq3_xxs(GridBytes block, float* values) {
  const float scale = read_f16(block);
  for (int group = 0; group < 8; ++group) {
    const auto rest = read_bytes<std::uint32_t>(block + 66 + 4 * group);
    const float group_scale = scale * (0.5f + static_cast<float>(rest >> 28)) * 0.5f;
    for (int i = 0; i < 8; ++i) {
      const unsigned signs = even_signs(rest >> (i / 2 * 7) & 127u) >> (i % 2 * 4);
      values = put_point(kIq3XxsGrid[block[2 + 8 * group + i]], kIq3XxsValues, group_scale, signs,
                         values);
    }
  }
}

void decode_iq3_s(GridBytes block, float* values) {
  const float scale = read_f16(block);
  for (int i = 0; i < 64; ++i) {
    const unsigned high = block[66 + i / 8] >> (i % 8) & 1u;
    const unsigned signs = block[74 + i / 2] >> (i % 2 * 4);
    const unsigned sub = block[106 + i / 16] >> (i / 8 % 2 * 4) & 15u;
    values = put_point(kIq3SGrid[block[2 + i] | high << 8], kIq3SValues,
                       scale * static_cast<float>(1 + 2 * sub), signs, values);
  }
}

}  // namespace quern
