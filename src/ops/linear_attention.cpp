#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "core/visit.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

bool is_gated(StateUpdate update) {
  return update == StateUpdate::gated || update == StateUpdate::gated_delta;
}
bool has_delta(StateUpdate update) {
  return update == StateUpdate::delta || update == StateUpdate::gated_delta;
}

Tensor dense_f32(const char* name, const Tensor& x) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "linear_attention: {} has dtype {}", name, x.dtype());
  return x.cast(DType::f32).contiguous();
}

/// One head's tokens, each `stride` floats after the last.
struct Lane {
  const float* data = nullptr;
  std::int64_t stride = 0;
  const float* at(std::int64_t token) const { return data + token * stride; }
};

struct Recurrence {
  StateUpdate update;
  std::int64_t key_dim, value_dim;
  std::int64_t decay_step;  // 1: a decay for each key, 0: one for all

  void update_state(float* state, const float* k, const float* v, const float* decay,
                    const float* beta, std::vector<float>& written) const {
    if (is_gated(update)) {
      for (std::int64_t i = 0; i < key_dim; ++i) {
        const float factor = std::exp(decay[i * decay_step]);
        for (std::int64_t j = 0; j < value_dim; ++j) state[i * value_dim + j] *= factor;
      }
    }
    written.assign(v, v + value_dim);
    if (has_delta(update)) {
      for (std::int64_t i = 0; i < key_dim; ++i) {
        for (std::int64_t j = 0; j < value_dim; ++j)
          written[static_cast<std::size_t>(j)] -= k[i] * state[i * value_dim + j];
      }
      for (float& value : written) value *= *beta;
    }
    for (std::int64_t i = 0; i < key_dim; ++i) {
      for (std::int64_t j = 0; j < value_dim; ++j)
        state[i * value_dim + j] += k[i] * written[static_cast<std::size_t>(j)];
    }
  }

  void read(const float* state, const float* q, float scale, float* y) const {
    std::fill(y, y + value_dim, 0.f);
    for (std::int64_t i = 0; i < key_dim; ++i) {
      for (std::int64_t j = 0; j < value_dim; ++j) y[j] += scale * q[i] * state[i * value_dim + j];
    }
  }
};

void check(const Tensor& q, const Tensor& k, const Tensor& v,
           const LinearAttentionOptions& options) {
  require(q.rank() == 4 && k.rank() == 4 && v.rank() == 4,
          "linear_attention: expected [batch, tokens, heads, dim], got {}, {}, {}", q.shape(),
          k.shape(), v.shape());
  const bool fits = q.dim(0) == k.dim(0) && q.dim(1) == k.dim(1) && q.dim(3) == k.dim(3) &&
                    v.dim(0) == k.dim(0) && v.dim(1) == k.dim(1) && v.dim(2) == k.dim(2);
  require(fits && k.dim(2) > 0 && q.dim(2) % k.dim(2) == 0,
          "linear_attention: q {}, k {} and v {} do not fit together", q.shape(), k.shape(),
          v.shape());
  require(options.decay.has_value() == is_gated(options.update),
          "linear_attention: a decay goes with gated updates, and only with them");
  require(options.beta.has_value() == has_delta(options.update),
          "linear_attention: a beta goes with delta updates, and only with them");
  const Shape state{k.dim(0), k.dim(2), k.dim(3), v.dim(3)};
  require(!options.state || options.state->shape() == state,
          "linear_attention: state has shape {}, expected {}",
          options.state ? options.state->shape() : Shape{}, state);
  if (options.decay) {
    const Shape& decay = options.decay->shape();
    const Shape whole{k.dim(0), k.dim(1), k.dim(2), k.dim(3)};
    const Shape single{k.dim(0), k.dim(1), k.dim(2), 1};
    require(decay == whole || decay == single, "linear_attention: decay has shape {}, expected {}",
            decay, whole);
  }
  if (options.beta) {
    const Shape& beta = options.beta->shape();
    require(beta == Shape{k.dim(0), k.dim(1), k.dim(2)} || beta == Shape{k.dim(0), k.dim(1), 1},
            "linear_attention: beta has shape {}, expected [{}, {}, {}]", beta, k.dim(0), k.dim(1),
            k.dim(2));
  }
}

}  // namespace

LinearAttentionResult linear_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                       const LinearAttentionOptions& options) {
  check(q, k, v, options);
  const std::int64_t tokens = q.dim(1);
  const std::int64_t heads = q.dim(2);
  const std::int64_t kv_heads = k.dim(2);
  const Tensor src_q = dense_f32("q", q);
  const Tensor src_k = dense_f32("k", k);
  const Tensor src_v = dense_f32("v", v);
  const Tensor decay = options.decay ? dense_f32("decay", *options.decay) : Tensor();
  const Tensor beta = options.beta ? dense_f32("beta", *options.beta) : Tensor();
  const Recurrence rule{options.update, k.dim(3), v.dim(3),
                        options.decay && decay.dim(3) == k.dim(3) ? 1 : 0};
  const float scale =
      options.scale != 0.f ? options.scale : 1.f / std::sqrt(static_cast<float>(rule.key_dim));
  Tensor state = options.state ? dense_f32("state", *options.state).clone()
                               : Tensor::zeros({q.dim(0), kv_heads, rule.key_dim, rule.value_dim});
  Tensor y = Tensor::empty({q.dim(0), tokens, heads, rule.value_dim});
  // Of head `head` of entry `batch`: [batch, tokens, heads, dim] is read with one stride a token.
  const auto lane = [&](const Tensor& x, std::int64_t batch, std::int64_t head) {
    const std::int64_t dim = x.rank() == 4 ? x.dim(3) : 1;
    const std::int64_t place = x.dim(2) == 1 ? 0 : head;
    return Lane{x.data<float>().data() + (batch * tokens * x.dim(2) + place) * dim, x.dim(2) * dim};
  };
  float* states = state.mutable_data<float>().data();
  float* outputs = y.mutable_data<float>().data();
  parallel_for(q.dim(0) * kv_heads, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> written;
    for (std::int64_t index = begin; index < end; ++index) {
      const std::int64_t batch = index / kv_heads;
      const std::int64_t kv_head = index % kv_heads;
      const Lane keys = lane(src_k, batch, kv_head);
      const Lane values = lane(src_v, batch, kv_head);
      const Lane decays = options.decay ? lane(decay, batch, kv_head) : Lane{};
      const Lane betas = options.beta ? lane(beta, batch, kv_head) : Lane{};
      float* own = states + index * rule.key_dim * rule.value_dim;
      for (std::int64_t token = 0; token < tokens; ++token) {
        rule.update_state(own, keys.at(token), values.at(token), decays.at(token), betas.at(token),
                          written);
        for (std::int64_t i = 0; i < heads / kv_heads; ++i) {
          const std::int64_t head = kv_head * (heads / kv_heads) + i;
          rule.read(own, lane(src_q, batch, head).at(token), scale,
                    outputs + ((batch * tokens + token) * heads + head) * rule.value_dim);
        }
      }
    }
  });
  return {y.cast(q.dtype()), state.cast(q.dtype())};
}

CausalConvResult causal_conv(const Tensor& x, const Tensor& weight,
                             const std::optional<Tensor>& bias,
                             const std::optional<Tensor>& state) {
  require(x.rank() == 3, "causal_conv: expected [batch, channels, tokens], got {}", x.shape());
  require(
      weight.rank() == 3 && weight.dim(0) == x.dim(1) && weight.dim(1) == 1 && weight.dim(2) > 0,
      "causal_conv: expected a weight [{}, 1, kernel], got {}", x.dim(1), weight.shape());
  const std::int64_t channels = x.dim(1);
  const std::int64_t kernel = weight.dim(2);
  const Shape before{x.dim(0), channels, kernel - 1};
  require(!state || state->shape() == before, "causal_conv: state has shape {}, expected {}",
          state ? state->shape() : Shape{}, before);
  require(!bias || bias->shape() == Shape{channels},
          "causal_conv: bias has shape {}, expected [{}]", bias ? bias->shape() : Shape{},
          channels);
  const Tensor parts[] = {state ? *state : Tensor::zeros(before, x.dtype()), x};
  const Tensor padded = concat(parts, 2);
  const Tensor src = dense_f32("x", padded);
  const Tensor filters = dense_f32("weight", weight);
  const Tensor offsets = bias ? dense_f32("bias", *bias) : Tensor::zeros({channels});
  Tensor y = Tensor::empty(x.shape());
  const std::int64_t tokens = x.dim(2);
  float* dst = y.mutable_data<float>().data();
  parallel_for(
      x.dim(0) * channels, 1 + 8192 / (tokens + 1), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t line = begin; line < end; ++line) {
          const std::int64_t channel = line % channels;
          const float* from = src.data<float>().data() + line * (tokens + kernel - 1);
          const float* filter = filters.data<float>().data() + channel * kernel;
          float* to = dst + line * tokens;
          std::fill(to, to + tokens, offsets.data<float>()[static_cast<std::size_t>(channel)]);
          for (std::int64_t i = 0; i < kernel; ++i) {
            for (std::int64_t t = 0; t < tokens; ++t) to[t] += filter[i] * from[t + i];
          }
        }
      });
  return {y.cast(x.dtype()), padded.slice(2, tokens, tokens + kernel - 1).contiguous()};
}

}  // namespace quern::ops
