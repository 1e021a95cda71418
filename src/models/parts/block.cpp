#include "models/parts/block.h"

#include "quern/ops.h"

namespace quern::models {
namespace {

/// `past` + scale * after(part(x)).
Tensor add_part(const Tensor& past, const Tensor& x, const Sublayer& part,
                const std::optional<Norm>& after, float scale, const Step& step) {
  if (!after && scale == 1.f) return part.run(x, step, &past);
  Tensor added = part.run(x, step, nullptr);
  if (after) added = (*after)(added);
  if (scale != 1.f) added = ops::mul(added, Tensor::full({1}, static_cast<double>(scale)));
  return ops::add(past, added);
}

Tensor through(const std::optional<Norm>& norm, const Tensor& x) { return norm ? (*norm)(x) : x; }

}  // namespace

Tensor Block::run(const Tensor& x, const Step& step) const {
  const Tensor h = through(before_mixer, x);
  const Tensor mixed = add_part(x, h, *mixer, after_mixer, residual_scale, step);
  const Tensor& read = is_parallel ? x : mixed;
  const Tensor g = is_parallel && !before_ffn ? h : through(before_ffn, read);
  return add_part(mixed, g, *ffn, after_ffn, residual_scale, step);
}

}  // namespace quern::models
