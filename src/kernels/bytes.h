#pragma once

#include <cstdint>

namespace quern::kernels {

// Loops over bytes that stand for numbers, on the calling thread. What is stored is rounded to the
// nearest, halves to even, and cut off at the bytes' range; NaN gives the lowest.

/// Bytes to read, as std::int8_t where they are signed and std::uint8_t else.
struct SourceBytes {
  const void* data;
  bool is_signed;
};
struct ResultBytes {
  void* data;
  bool is_signed;
};

/// dst = round(src / scale) + zero; zero is one of dst's values.
void quantize_bytes(const float* src, std::int64_t count, float scale, float zero, ResultBytes dst);

/// dst = (src - zero) * scale.
void dequantize_bytes(SourceBytes src, std::int64_t count, float scale, float zero, float* dst);

/// dst = round((src - zero) * scale / dst_scale) + dst_zero; dst_zero is one of dst's values.
void rescale_bytes(SourceBytes src, std::int64_t count, float scale, float zero, float dst_scale,
                   float dst_zero, ResultBytes dst);

/// The same of rows of `size` bytes that begin `src_pitch` and `dst_pitch` bytes after one another.
struct ByteRows {
  std::int64_t rows, size, src_pitch, dst_pitch;
};
void rescale_byte_rows(const ByteRows& shape, SourceBytes src, float scale, float zero,
                       float dst_scale, float dst_zero, ResultBytes dst);

/// dst = round(a * a_factor + (b * b_factor + rest)).
void add_bytes(SourceBytes a, float a_factor, SourceBytes b, float b_factor, float rest,
               std::int64_t count, ResultBytes dst);

/// dst = round((a - a_zero) * (b - b_zero) * factor + zero).
void multiply_bytes(SourceBytes a, float a_zero, SourceBytes b, float b_zero, float factor,
                    float zero, std::int64_t count, ResultBytes dst);

}  // namespace quern::kernels
