#pragma once

#include <cstdint>
#include <optional>

#include "quern/tensor.h"
#include "quern/weights.h"

namespace quern::ops {

/// How a weight [out, in] lies in codes of 2, 4 or 8 bits: u8 [out, blocks, block bytes], the first
/// code of a byte in its lowest bits; each block of values has a scale and a zero point.
struct BlockCodes {
  std::int64_t out, in, bits, block;

  std::int64_t blocks() const { return (in + block - 1) / block; }
  std::int64_t block_bytes() const { return block * bits / 8; }
  std::int64_t zero_row_bytes() const { return (blocks() * bits + 7) / 8; }

  /// The `index`-th code of a row of them.
  std::int32_t code(const std::uint8_t* row, std::int64_t index) const {
    const std::int64_t each = 8 / bits;
    return row[index / each] >> (index % each * bits) & ((1 << bits) - 1);
  }
};

/// The weight [out, in] in f32: (code - zero) * scale. `scales` are [out * blocks]; `zeros` too, as
/// codes or in a floating dtype, or the middle of the range where there are none; `groups`, i32
/// [in], says which block's scale a column takes, else its own. Throws: `invalid_argument`.
Tensor decode_block_codes(const BlockCodes& codes, const Tensor& packed, const Tensor& scales,
                          const std::optional<Tensor>& zeros, const std::optional<Tensor>& groups);

/// The same as blocks of 32 codes, which products read as they are; nothing where those say less
/// than the weight does: other sizes of blocks, `groups`, bytes whose zero point is not 128.
std::optional<Weight> as_blocks(const BlockCodes& codes, const Tensor& packed, const Tensor& scales,
                                const std::optional<Tensor>& zeros,
                                const std::optional<Tensor>& groups);

}  // namespace quern::ops
