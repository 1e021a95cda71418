#include "models/parts/feed_forward.h"

#include "core/error.h"
#include "quern/ops.h"

namespace quern::models {
namespace {

std::vector<Linear> load_in(const Tensors& tensors, const FeedForwardSettings& settings) {
  const std::int64_t in = settings.hidden_size;
  const std::int64_t out = settings.size;
  if (!settings.gated) return {load_linear(tensors, "ffn_up", in, out, settings.bias)};
  const RowRange halves[] = {{0, out}, {out, out}};
  if (tensors.has("ffn_gate_up"))
    return load_rows(tensors, "ffn_gate_up", in, 2 * out, halves, settings.bias);
  const bool are_joined = !tensors.has("ffn_gate") && tensors.has("ffn_up") &&
                          tensors.get("ffn_up").shape() == Shape{2 * out, in};
  if (are_joined) return load_rows(tensors, "ffn_up", in, 2 * out, halves, settings.bias);
  return {load_linear(tensors, "ffn_gate", in, out, settings.bias),
          load_linear(tensors, "ffn_up", in, out, settings.bias)};
}

}  // namespace

FeedForward::FeedForward(const Tensors& tensors, const FeedForwardSettings& settings)
    : activation_(settings.activation),
      in_(load_in(tensors, settings)),
      down_(load_linear(tensors, "ffn_down", settings.size, settings.hidden_size, settings.bias)) {
  if (!settings.activation.is_complete())
    fail(ErrorCode::unsupported, "model: activation \"xielu\" without its numbers");
  if (settings.before_down)
    before_down_.emplace(tensors, "ffn_sub_norm", settings.size, *settings.before_down);
}

Tensor FeedForward::run(const Tensor& x, const Step& step, const Tensor* residual) const {
  Tensor inner = in_.front()(x);
  step.batch.checkpoint();
  if (in_.size() == 2) {
    const Tensor up = in_.back()(x);
    step.batch.checkpoint();
    inner = activation_.gate(inner, up);
  } else {
    inner = activation_(inner);
  }
  if (before_down_) inner = (*before_down_)(inner);
  Tensor result = residual == nullptr ? down_(inner) : down_(inner, *residual);
  step.batch.checkpoint();
  return result;
}

}  // namespace quern::models
