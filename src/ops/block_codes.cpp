#include "ops/block_codes.h"

#include <algorithm>
#include <cstring>

#include "core/block_format.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"

namespace quern::ops {
namespace {

/// Zero points [out * blocks] as floats: packed codes, values of the scales' dtype, or the middle.
Tensor block_zeros(const BlockCodes& codes, const std::optional<Tensor>& given) {
  const std::int64_t blocks = codes.blocks();
  const std::int64_t count = codes.out * blocks;
  if (!given) return Tensor::full({count}, 1 << (codes.bits - 1));
  if (given->dtype() != DType::u8) {
    require(given->numel() == count, "zero points {}, expected {}", given->shape(), count);
    return given->cast(DType::f32).contiguous();
  }
  require(given->numel() == codes.out * codes.zero_row_bytes(), "zero points {} for {} blocks",
          given->shape(), count);
  const Tensor packed = given->contiguous();
  Tensor zeros = Tensor::empty({count});
  for (std::int64_t row = 0; row < codes.out; ++row) {
    const std::uint8_t* from = packed.data<std::uint8_t>().data() + row * codes.zero_row_bytes();
    for (std::int64_t i = 0; i < blocks; ++i)
      zeros.mutable_data<float>()[static_cast<std::size_t>(row * blocks + i)] =
          static_cast<float>(codes.code(from, i));
  }
  return zeros;
}

void check_sizes(const BlockCodes& codes, const Tensor& packed, const Tensor& scales) {
  const std::int64_t blocks = codes.blocks();
  require(packed.dtype() == DType::u8 && packed.numel() == codes.out * blocks * codes.block_bytes(),
          "weight {} {}, expected u8 [{}, {}, {}]", packed.dtype(), packed.shape(), codes.out,
          blocks, codes.block_bytes());
  require(scales.numel() == codes.out * blocks, "scales {}, expected {}", scales.shape(),
          codes.out * blocks);
}

/// 32 codes of up to four bits from `row` on as a block of q4_f32.
void write_q4(const BlockCodes& codes, const std::uint8_t* row, float scale, float zero,
              std::byte* block) {
  const float values[] = {scale, -zero * scale};
  std::memcpy(block, values, sizeof values);
  for (int i = 0; i < 16; ++i)
    block[8 + i] = static_cast<std::byte>(codes.code(row, i) | codes.code(row, 16 + i) << 4);
}

/// 32 bytes around 128 as a block of q8_f32.
void write_q8(const std::uint8_t* bytes, float scale, std::byte* block) {
  std::memcpy(block, &scale, sizeof scale);
  for (int i = 0; i < 32; ++i) block[4 + i] = static_cast<std::byte>(bytes[i] ^ 0x80);
}

}  // namespace

std::optional<Weight> as_blocks(const BlockCodes& codes, const Tensor& packed, const Tensor& scales,
                                const std::optional<Tensor>& zeros,
                                const std::optional<Tensor>& groups) {
  const Encoding encoding = codes.bits < 8 ? Encoding::q4_f32 : Encoding::q8_f32;
  const BlockFormat format = block_format(encoding);
  check_sizes(codes, packed, scales);
  const Tensor zero_points = block_zeros(codes, zeros);
  const auto zero = zero_points.data<float>();
  const auto is_middle = [](float value) { return value == 128.f; };
  if (groups || codes.block % format.values != 0 || codes.in % format.values != 0 ||
      (codes.bits == 8 && !std::ranges::all_of(zero, is_middle)))
    return std::nullopt;
  const std::int64_t row_blocks = codes.in / format.values;
  const auto size = static_cast<std::size_t>(codes.out * row_blocks * format.bytes);
  const std::shared_ptr<std::byte> memory = allocate_buffer(size);
  const Tensor dense_codes = packed.contiguous();
  const Tensor dense_scales = scales.cast(DType::f32).contiguous();
  const std::uint8_t* from = dense_codes.data<std::uint8_t>().data();
  const auto scale = dense_scales.data<float>();
  parallel_for(codes.out, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * row_blocks; i < end * row_blocks; ++i) {
      const std::int64_t row = i / row_blocks;
      const std::int64_t first = i % row_blocks * format.values;
      const auto group = static_cast<std::size_t>(row * codes.blocks() + first / codes.block);
      const std::uint8_t* at =
          from + row * codes.blocks() * codes.block_bytes() + first * codes.bits / 8;
      std::byte* to = memory.get() + i * format.bytes;
      codes.bits < 8 ? write_q4(codes, at, scale[group], zero[group], to)
                     : write_q8(at, scale[group], to);
    }
  });
  return Weight(encoding, {codes.out, codes.in}, {memory.get(), size}, memory);
}

Tensor decode_block_codes(const BlockCodes& codes, const Tensor& packed, const Tensor& scales,
                          const std::optional<Tensor>& zeros, const std::optional<Tensor>& groups) {
  const std::int64_t blocks = codes.blocks();
  check_sizes(codes, packed, scales);
  require(!groups || (groups->dtype() == DType::i32 && groups->numel() >= codes.in),
          "g_idx has shape {}, expected {} of i32", groups ? groups->shape() : Shape{}, codes.in);
  const Tensor dense_codes = packed.contiguous();
  const Tensor dense_scales = scales.cast(DType::f32).contiguous();
  const Tensor dense_zeros = block_zeros(codes, zeros);
  const Tensor dense_groups = groups ? groups->contiguous() : Tensor();
  Tensor weight = Tensor::empty({codes.out, codes.in});
  const std::int32_t* group = groups ? dense_groups.data<std::int32_t>().data() : nullptr;
  for (std::int64_t row = 0; row < codes.out; ++row) {
    const std::uint8_t* from =
        dense_codes.data<std::uint8_t>().data() + row * blocks * codes.block_bytes();
    const float* scale = dense_scales.data<float>().data() + row * blocks;
    const float* zero = dense_zeros.data<float>().data() + row * blocks;
    float* to = weight.mutable_data<float>().data() + row * codes.in;
    for (std::int64_t i = 0; i < codes.in; ++i) {
      const std::int64_t at = group != nullptr ? group[i] : i / codes.block;
      require(at >= 0 && at < blocks, "g_idx {} of {} blocks", at, blocks);
      to[i] = (static_cast<float>(codes.code(from, i)) - zero[at]) * scale[at];
    }
  }
  return weight;
}

}  // namespace quern::ops
