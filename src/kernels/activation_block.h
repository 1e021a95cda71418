#pragma once

#include <cstdint>

namespace quern::kernels {

/// Values that one step of the quantised kernels takes from a row: 8 groups of 32, each of which
/// has one scale in the activations and one or two (one per half group) in the weights.
inline constexpr int kSuperblock = 256;
inline constexpr int kGroup = 32;
inline constexpr int kHalf = 16;
inline constexpr int kGroups = kSuperblock / kGroup;
inline constexpr int kHalves = kSuperblock / kHalf;

/// 256 activations rounded to 8 bits: value = scale of the group * code. The end of a row that is
/// not a multiple of 256 is zero.
///
/// The first halves of four groups stand together, then their second halves, so that a vector of
/// 16, 32 or 64 bytes holds a 16-byte block from each of 1, 2 or 4 groups, and the dot products of
/// both halves of a group add up in the same four 32-bit lanes.
struct alignas(64) ActivationBlock {
  std::int8_t codes[kSuperblock];  ///< [2][half][4 groups][16]
  float scales[4 * kGroups];       ///< each group's scale, once for each of its 32-bit lanes
  float sums[kHalves];             ///< scale * sum of codes, [half][group]

  static constexpr int codes_at(int group, int half) noexcept {
    return (group / 4 * 2 + half) * 4 * kHalf + group % 4 * kHalf;
  }
};

/// Superblocks in a row of k values.
constexpr std::int64_t superblocks(std::int64_t k) noexcept {
  return (k + kSuperblock - 1) / kSuperblock;
}

}  // namespace quern::kernels
