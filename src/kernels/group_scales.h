#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/activation_block.h"

namespace quern::kernels {

/// value = scale * (code - zero of the encoding) + offset, for the halves of a superblock's groups:
/// [half][group]. Where the halves of a group do not differ, both are here.
struct GroupScales {
  alignas(64) float scales[kHalves];
  alignas(64) float offsets[kHalves];  ///< unset where the encoding has none
};

inline std::uint16_t load_u16(const std::uint8_t* p) noexcept {
  std::uint16_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

inline std::uint32_t load_u32(const std::uint8_t* p) noexcept {
  std::uint32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

}  // namespace quern::kernels
