#pragma once

#include <cstdint>
#include <optional>

#include "quern/export.h"
#include "quern/tensor.h"

/// Random numbers: by the Mersenne Twister from a seed, so the same from one seed everywhere; or
/// without one, other numbers at each call.
namespace quern::ops {

using Seed = std::optional<std::uint32_t>;

/// In [low, high); floating dtypes.
QUERN_API Tensor random_uniform(const Shape& shape, double low = 0, double high = 1, Seed seed = {},
                                DType dtype = DType::f32);
/// Floating dtypes.
QUERN_API Tensor random_normal(const Shape& shape, double mean = 0, double deviation = 1,
                               Seed seed = {}, DType dtype = DType::f32);
/// 1 with the probability that each element of `probabilities` (floating) is, else 0; numeric
/// dtype.
QUERN_API Tensor bernoulli(const Tensor& probabilities, DType dtype, Seed seed = {});
/// `count` classes for each row of log_odds [batch, classes] (floating, any sum) -> [batch, count];
/// i32 or i64.
QUERN_API Tensor multinomial(const Tensor& log_odds, std::int64_t count, Seed seed = {},
                             DType dtype = DType::i64);

struct Dropped {
  Tensor y;     ///< x / (1 - ratio) where kept, else 0
  Tensor kept;  ///< bool
};
/// Drops each element with the probability `ratio`, in [0, 1). Floating dtypes.
QUERN_API Dropped dropout(const Tensor& x, double ratio, Seed seed = {});

}  // namespace quern::ops
