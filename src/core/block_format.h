#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "quern/weights.h"

namespace quern {

/// Sizes of a GGUF block: how many values it holds, in how many bytes.
struct BlockFormat {
  int values = 0;
  int bytes = 0;
};

/// Throws: `invalid_argument` for `Encoding::dense`.
BlockFormat block_format(Encoding encoding);

/// Decodes `count` values, a whole number of blocks, to f32 bit for bit as the ggml reference and
/// the `gguf` Python package do. The portable truth that kernels are tested against.
void decode_blocks(Encoding encoding, const std::byte* blocks, float* values, std::int64_t count);

}  // namespace quern
