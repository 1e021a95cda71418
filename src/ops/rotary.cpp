#include "ops/rotary.h"

#include <cmath>

#include "core/parallel.h"
#include "core/visit.h"
#include "quern/ops.h"

namespace quern::ops {

RotaryTable::RotaryTable(std::span<const std::int64_t> positions,
                         std::span<const float> frequencies)
    : pairs_(static_cast<std::int64_t>(frequencies.size())) {
  append(positions, frequencies);
}

void RotaryTable::append(std::span<const std::int64_t> positions,
                         std::span<const float> frequencies, float scale) {
  tokens_ += static_cast<std::int64_t>(positions.size());
  for (const std::int64_t position : positions) {
    for (const float frequency : frequencies) {
      const float angle = static_cast<float>(position) * frequency;
      cosines_.push_back(std::cos(angle) * scale);
      sines_.push_back(std::sin(angle) * scale);
    }
  }
}

void RotaryTable::rotate(Tensor& x, std::int64_t head_dim, RotaryPairs pairs) const {
  rotate(x.mutable_data<float>().data(), x.dim(1) / head_dim, head_dim, x.dim(1), pairs);
}

void RotaryTable::rotate(float* heads, std::int64_t head_count, std::int64_t head_dim,
                         std::int64_t stride, RotaryPairs pairs) const {
  parallel_for(tokens_, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t token = begin; token < end; ++token) {
      const float* cosine = cosines_.data() + token * pairs_;
      const float* sine = sines_.data() + token * pairs_;
      for (std::int64_t head = 0; head < head_count; ++head) {
        float* x = heads + token * stride + head * head_dim;
        const std::int64_t partner = pairs == RotaryPairs::halves ? pairs_ : 1;
        const std::int64_t step = pairs == RotaryPairs::halves ? 1 : 2;
        for (std::int64_t i = 0; i < pairs_; ++i) {
          const float a = x[i * step];
          const float b = x[i * step + partner];
          x[i * step] = a * cosine[i] - b * sine[i];
          x[i * step + partner] = b * cosine[i] + a * sine[i];
        }
      }
    }
  });
}

Tensor rotary_embedding(const Tensor& x, const Tensor& positions, const Tensor& frequencies,
                        RotaryPairs pairs) {
  require(x.rank() == 3, "rotary_embedding: expected x [tokens, heads, head_dim], got {}",
          x.shape());
  if (x.dtype() != DType::f32 && x.dtype() != DType::bf16 && x.dtype() != DType::f16) {
    fail(ErrorCode::unsupported, "rotary_embedding: expected f32, bf16 or f16, got {}", x.dtype());
  }
  require(positions.shape() == Shape{x.dim(0)}, "rotary_embedding: expected positions [{}], got {}",
          x.dim(0), positions.shape());
  require(positions.dtype() == DType::i32 || positions.dtype() == DType::i64,
          "rotary_embedding: expected positions of dtype i32 or i64, got {}", positions.dtype());
  require(frequencies.rank() == 1 && frequencies.numel() <= x.dim(2) / 2,
          "rotary_embedding: frequencies {} do not fit head_dim {}", frequencies.shape(), x.dim(2));
  const Tensor at = positions.cast(DType::i64).contiguous();
  const RotaryTable table(at.data<std::int64_t>(), frequencies.contiguous().data<float>());
  Tensor rotated = x.dtype() == DType::f32 ? x.clone() : x.cast(DType::f32).contiguous();
  table.rotate(rotated.mutable_data<float>().data(), x.dim(1), x.dim(2), x.dim(1) * x.dim(2),
               pairs);
  return rotated.cast(x.dtype());
}

Tensor apply_rotary(const Tensor& x, const Tensor& cosines, const Tensor& sines,
                    RotaryPairs pairs) {
  require(x.rank() == 4, "apply_rotary: expected x [batch, tokens, heads, head_dim], got {}",
          x.shape());
  require(cosines.rank() == 3 && cosines.shape() == sines.shape() && cosines.dim(0) == x.dim(0) &&
              cosines.dim(1) == x.dim(1) && cosines.dim(2) <= x.dim(3) / 2,
          "apply_rotary: cosines {} and sines {} do not fit x {}", cosines.shape(), sines.shape(),
          x.shape());
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "apply_rotary: expected a floating dtype, got {}", x.dtype());
  const Tensor cosine = cosines.cast(DType::f32).contiguous();
  const Tensor sine = sines.cast(DType::f32).contiguous();
  Tensor rotated = x.dtype() == DType::f32 ? x.clone() : x.cast(DType::f32).contiguous();
  const std::int64_t count = cosine.dim(2);
  const std::int64_t partner = pairs == RotaryPairs::halves ? count : 1;
  const std::int64_t step = pairs == RotaryPairs::halves ? 1 : 2;
  float* heads = rotated.mutable_data<float>().data();
  parallel_for(x.dim(0) * x.dim(1), 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t token = begin; token < end; ++token) {
      const float* c = cosine.data<float>().data() + token * count;
      const float* s = sine.data<float>().data() + token * count;
      for (std::int64_t head = 0; head < x.dim(2); ++head) {
        float* values = heads + (token * x.dim(2) + head) * x.dim(3);
        for (std::int64_t i = 0; i < count; ++i) {
          const float a = values[i * step];
          const float b = values[i * step + partner];
          values[i * step] = a * c[i] - b * s[i];
          values[i * step + partner] = b * c[i] + a * s[i];
        }
      }
    }
  });
  return rotated.cast(x.dtype());
}

}  // namespace quern::ops
