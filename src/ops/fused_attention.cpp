#include "ops/fused_attention.h"

#include <algorithm>

#include "backend/operation.h"
#include "core/error.h"
#include "core/format.h"
#include "ops/dense_attention.h"
#include "ops/layout.h"
#include "ops/matmul.h"
#include "ops/normalization.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

using backend::PostOp;
using backend::Slot;

constexpr std::int64_t kBlockBytes = 4
                                     << 20;  // of scores: what stays in the cache of a core or two

/// One block of heads and queries, every tensor a view of 4 axes.
struct Block {
  Tensor q, k_transposed, v;
  std::optional<Tensor> mask;
  Tensor dst;
};

/// dst = a · b with `steps`, all of them views of one rank; false where oneDNN has no kernel.
bool multiply(const Tensor& a, const Tensor& b, const Tensor& dst, std::vector<PostOp> steps,
              const std::optional<Tensor>& operand) {
  const auto operation = backend::try_prepare(backend::MatMulDesc{.src = describe_operand(a),
                                                                  .weights = describe_operand(b),
                                                                  .dst = backend::describe(dst),
                                                                  .bias = {},
                                                                  .post_ops = std::move(steps)});
  if (!operation) return false;
  std::vector<backend::Argument> arguments{
      {Slot::src, a.raw()}, {Slot::weights, b.raw()}, {Slot::dst, dst.raw()}};
  if (operand) arguments.push_back({Slot::post_op0, operand->raw()});
  operation->run(arguments);
  return true;
}

bool run_block(const Block& block, float scale) {
  Shape shape = block.q.shape();
  shape[3] = block.k_transposed.dim(3);
  const Tensor scores = Tensor::empty(shape, block.q.dtype());
  std::vector<PostOp> steps;
  if (scale != 1.f) steps.push_back(PostOp::apply(backend::Eltwise::linear, scale, 0.f));
  if (block.mask)
    steps.push_back(PostOp::with(backend::Binary::add, backend::describe(*block.mask)));
  if (!multiply(block.q, block.k_transposed, scores, std::move(steps), block.mask)) return false;
  run_first(softmax_implementations(), SoftmaxArgs{scores, scores, 3, false});
  return multiply(scores, block.v, block.dst, {}, std::nullopt);
}

Tensor plain(const Tensor& x) { return has_plain_layout(x) ? x : x.contiguous(); }

/// A mask of 4 axes, each of the scores' size or 1; nothing where it has more.
std::optional<Tensor> mask_block(const Tensor& mask, std::int64_t batch, std::int64_t head,
                                 std::int64_t heads, std::int64_t query, std::int64_t queries) {
  const auto part = [](const Tensor& x, int axis, std::int64_t start, std::int64_t count) {
    return x.dim(axis) == 1 ? x : x.slice(axis, start, start + count);
  };
  return part(part(part(mask, 0, batch, 1), 1, head, heads), 2, query, queries).contiguous();
}

bool run_blocks(const Tensor& q, const Tensor& k_transposed, const Tensor& v,
                const std::optional<Tensor>& mask, float scale, Tensor& dst) {
  const std::int64_t heads = q.dim(1);
  const std::int64_t queries = q.dim(2);
  const std::int64_t row_bytes = std::max<std::int64_t>(
      k_transposed.dim(3) * static_cast<std::int64_t>(size_of(q.dtype())), 1);
  const std::int64_t rows = std::max<std::int64_t>(kBlockBytes / row_bytes, 64);
  const std::int64_t head_step = std::clamp<std::int64_t>(rows / queries, 1, heads);
  const std::int64_t query_step = std::min(rows, queries);
  for (std::int64_t batch = 0; batch < q.dim(0); ++batch) {
    for (std::int64_t head = 0; head < heads; head += head_step) {
      const auto of_heads = [&](const Tensor& x) {
        return x.slice(0, batch, batch + 1).slice(1, head, head + head_step);
      };
      for (std::int64_t query = 0; query < queries; query += query_step) {
        Block block{plain(of_heads(q).slice(2, query, query + query_step)),
                    plain(of_heads(k_transposed)),
                    plain(of_heads(v)),
                    {},
                    of_heads(dst).slice(2, query, query + query_step)};
        if (mask) block.mask = mask_block(*mask, batch, head, head_step, query, query_step);
        if (!run_block(block, scale)) return false;
      }
    }
  }
  return true;
}

/// Whether the blocks above can take these, of equal batch and heads.
bool fits_blocks(const Tensor& q, const Tensor& k_transposed, const Tensor& v,
                 const std::optional<Tensor>& mask) {
  if (q.dtype() != DType::f32 && q.dtype() != DType::bf16) return false;
  if (q.rank() != 4 || k_transposed.rank() != 4 || v.rank() != 4) return false;
  if (q.numel() == 0 || k_transposed.numel() == 0 || v.numel() == 0) return false;
  for (int axis = 0; axis < 2; ++axis) {
    if (q.dim(axis) != k_transposed.dim(axis) || q.dim(axis) != v.dim(axis)) return false;
  }
  if (q.dim(3) != k_transposed.dim(2) || k_transposed.dim(3) != v.dim(2)) return false;
  if (q.dtype() != k_transposed.dtype() || q.dtype() != v.dtype()) return false;
  if (!mask) return true;
  const Shape scores{q.dim(0), q.dim(1), q.dim(2), k_transposed.dim(3)};
  return mask->dtype() == q.dtype() && mask->rank() <= 4 &&
         broadcast_shapes(scores, mask->shape()) == scores;
}

}  // namespace

Tensor fused_attention(const Tensor& q, const Tensor& k_transposed, const Tensor& v,
                       const std::optional<Tensor>& mask, float scale) {
  if (fits_blocks(q, k_transposed, v, mask)) {
    const std::optional<Tensor> wide = mask ? std::optional(with_rank(*mask, 4)) : std::nullopt;
    if (suits_dense_attention(q, k_transposed, v)) {
      kernels::DenseAttention attention;
      attention.scale = scale;
      return dense_attention(q, k_transposed, v, wide, attention);
    }
    Tensor dst = Tensor::empty({q.dim(0), q.dim(2), q.dim(1), v.dim(3)}, q.dtype()).transpose(1, 2);
    if (run_blocks(q, k_transposed, v, wide, scale, dst)) return dst;
  }
  Tensor scores = matmul(q, k_transposed);
  if (scale != 1.f) scores = mul(scores, Tensor::full({}, scale, scores.dtype()));
  if (mask) scores = add(scores, *mask);
  return matmul(softmax(scores, -1), v);
}

}  // namespace quern::ops
