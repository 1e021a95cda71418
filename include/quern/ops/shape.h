#pragma once

#include <optional>
#include <span>
#include <vector>

#include "quern/export.h"
#include "quern/tensor.h"

/// Moving elements; every dtype.
namespace quern::ops {

/// Tensors of one dtype whose shapes differ along `axis` at most.
QUERN_API Tensor concat(std::span<const Tensor> tensors, int axis);
/// Views of `x` that follow each other along `axis`; `sizes` sum to its size.
QUERN_API std::vector<Tensor> split(const Tensor& x, std::span<const std::int64_t> sizes, int axis);
/// Repeats `x` `repeats[i]` times along each axis i.
QUERN_API Tensor tile(const Tensor& x, std::span<const std::int64_t> repeats);

/// What stands beyond the ends of an axis.
enum class PadMode {
  constant,  ///< one value
  reflect,   ///< c b | a b c | b a
  edge,      ///< a a | a b c | c c
  wrap       ///< b c | a b c | a b
};
struct PadOptions {
  PadMode mode = PadMode::constant;
  std::optional<Tensor> value = {};  ///< one element of x's dtype; none: zero, or an empty string
};
/// Adds `before[i]` and `after[i]` elements at the ends of each axis i, or takes away where
/// negative.
QUERN_API Tensor pad(const Tensor& x, std::span<const std::int64_t> before,
                     std::span<const std::int64_t> after, const PadOptions& options = {});

enum class Triangle { lower, upper };
/// `x` [..., rows, columns] with zeros above (`lower`) or below (`upper`) the diagonal that is
/// `diagonal` columns right of the main one.
QUERN_API Tensor triangle(const Tensor& x, Triangle kept, std::int64_t diagonal = 0);
/// `x` with the first `lengths[i]` (i32 or i64) elements along `axis` reversed, for each i of
/// `batch_axis`.
QUERN_API Tensor reverse_sequence(const Tensor& x, const Tensor& lengths, int axis, int batch_axis);

/// Which of the channels' factors varies fastest.
enum class DepthOrder {
  depth,  ///< channel = (row * block + column) * depth + d
  block   ///< channel = (d * block + row) * block + column
};
/// [batch, depth * block², height, width] -> [batch, depth, height * block, width * block].
QUERN_API Tensor depth_to_space(const Tensor& x, std::int64_t block,
                                DepthOrder order = DepthOrder::depth);
/// The reverse, in order `depth`.
QUERN_API Tensor space_to_depth(const Tensor& x, std::int64_t block);

// ---- New tensors ----

/// start, start + step, ... before `limit`, which are single numbers of one dtype. Throws:
/// `invalid_argument` for a step of zero.
QUERN_API Tensor arange(const Tensor& start, const Tensor& limit, const Tensor& step);
/// Ones where column - row is `diagonal`, else zeros; numeric dtypes.
QUERN_API Tensor eye(std::int64_t rows, std::int64_t columns, std::int64_t diagonal = 0,
                     DType dtype = DType::f32);

}  // namespace quern::ops
