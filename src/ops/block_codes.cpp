#include "ops/block_codes.h"

#include "core/error.h"
#include "core/format.h"

namespace quern::ops {
namespace {

/// Zero points [out * blocks] as floats: packed codes, values of the scales' dtype, or the middle.
Tensor block_zeros(const BlockCodes& codes, const std::optional<Tensor>& given) {
  const std::int64_t blocks = codes.blocks();
  const std::int64_t count = codes.out * blocks;
  if (!given) return Tensor::full({count}, codes.bits == 8 ? 128 : 8);
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

}  // namespace

Tensor decode_block_codes(const BlockCodes& codes, const Tensor& packed, const Tensor& scales,
                          const std::optional<Tensor>& zeros, const std::optional<Tensor>& groups) {
  const std::int64_t blocks = codes.blocks();
  require(packed.dtype() == DType::u8 && packed.numel() == codes.out * blocks * codes.block_bytes(),
          "weight {} {}, expected u8 [{}, {}, {}]", packed.dtype(), packed.shape(), codes.out,
          blocks, codes.block_bytes());
  require(scales.numel() == codes.out * blocks, "scales {}, expected {}", scales.shape(),
          codes.out * blocks);
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
