#include "models/parts/self_attention.h"

#include <cmath>

#include "core/error.h"
#include "core/format.h"
#include "ops/paged_attention.h"
#include "quern/ops.h"

namespace quern::models {
namespace {

std::vector<Linear> load_qkv(const Tensors& tensors, const SelfAttentionSettings& settings) {
  const std::int64_t in = settings.hidden_size;
  const std::int64_t q = settings.heads * settings.head_dim;
  const std::int64_t kv = settings.kv_heads * settings.head_dim;
  if (tensors.has("attn_q") || !tensors.has("attn_qkv")) {
    return {load_linear(tensors, "attn_q", in, q, settings.bias),
            load_linear(tensors, "attn_k", in, kv, settings.bias),
            load_linear(tensors, "attn_v", in, kv, settings.bias)};
  }
  if (settings.order == QkvOrder::parts) {
    const RowRange ranges[] = {{0, q}, {q, kv}, {q + kv, kv}};
    return load_rows(tensors, "attn_qkv", in, q + 2 * kv, ranges, settings.bias);
  }
  if (settings.order == QkvOrder::quarters) {
    if (settings.heads % 4 != 0 || kv != q) {
      fail(ErrorCode::corrupt_file, "model: {} heads are not a multiple of 4", settings.heads);
    }
    const RowRange ranges[] = {
        {0, q / 4, 3 * q / 4}, {q / 2, q / 4, 3 * q / 4}, {q / 4, q / 4, 3 * q / 4}};
    return load_rows(tensors, "attn_qkv", in, 3 * q, ranges, settings.bias);
  }
  const std::int64_t group = q / settings.kv_heads;
  const std::int64_t dim = settings.head_dim;
  const std::int64_t period = group + 2 * dim;
  const RowRange ranges[] = {{0, group, period}, {group, dim, period}, {group + dim, dim, period}};
  return load_rows(tensors, "attn_qkv", in, q + 2 * kv, ranges, settings.bias);
}

std::optional<Norm> load_norm(const Tensors& tensors, const char* name, std::int64_t heads,
                              const SelfAttentionSettings& settings) {
  NormSettings norm = settings.qk_norm_settings;
  norm.has_weight = settings.qk_norm != QkNorm::heads && norm.has_weight;
  if (settings.qk_norm == QkNorm::none) return std::nullopt;
  const bool at_once = settings.qk_norm == QkNorm::all;
  return Norm(tensors, name, at_once ? heads * settings.head_dim : settings.head_dim, norm);
}

std::optional<Tensor> load_head_weights(const Tensors& tensors, const char* name,
                                        std::int64_t heads, const SelfAttentionSettings& settings) {
  if (settings.qk_norm != QkNorm::heads) return std::nullopt;
  Weight weight;
  if (tensors.has(name) || !tensors.has(name, "norms.0.weight")) {
    weight = tensors.get(name);
  } else {
    std::vector<Weight> rows;
    for (std::int64_t i = 0; i < heads; ++i)
      rows.push_back(tensors.get(name, "norms." + std::to_string(i) + ".weight"));
    weight = Weight::concat(rows);
    weight = weight.tensor().reshape({heads, -1});
  }
  const Shape expected{heads, settings.head_dim};
  require(weight.shape() == expected, "weights: \"{}\" has shape {}, expected {}", name,
          weight.shape(), expected);
  return weight.tensor(DType::f32).reshape({heads * settings.head_dim});
}

const SelfAttentionSettings& checked(const SelfAttentionSettings& settings) {
  if (settings.kv_heads <= 0 || settings.heads % settings.kv_heads != 0) {
    fail(ErrorCode::corrupt_file, "model: {} heads are not a multiple of {} kv_heads",
         settings.heads, settings.kv_heads);
  }
  if (settings.window < 0)
    fail(ErrorCode::corrupt_file, "model: sliding window is {}", settings.window);
  if (settings.position_scale != 0 && settings.of_positions <= 0)
    fail(ErrorCode::corrupt_file, "model: queries are scaled each {} positions",
         settings.of_positions);
  return settings;
}

float scale_of(const SelfAttentionSettings& settings) {
  return settings.scale != 0.f ? settings.scale
                               : 1.f / std::sqrt(static_cast<float>(settings.head_dim));
}

}  // namespace

SelfAttention::SelfAttention(const Tensors& tensors, std::int64_t layer,
                             const SelfAttentionSettings& settings)
    : layer_(layer),
      settings_(checked(settings)),
      qkv_(load_qkv(tensors, settings)),
      q_norm_(load_norm(tensors, "attn_q_norm", settings.heads, settings)),
      k_norm_(load_norm(tensors, "attn_k_norm", settings.kv_heads, settings)),
      q_norm_weights_(load_head_weights(tensors, "attn_q_norm", settings.heads, settings)),
      k_norm_weights_(load_head_weights(tensors, "attn_k_norm", settings.kv_heads, settings)),
      output_(load_linear(tensors, "attn_output", settings.heads * settings.head_dim,
                          settings.hidden_size, settings.output_bias)) {
  if (settings.before_output) {
    before_output_.emplace(tensors, "attn_sub_norm", settings.heads * settings.head_dim,
                           *settings.before_output);
  }
}

KeysAndValues SelfAttention::kept(const SelfAttentionSettings& settings, Accuracy accuracy) {
  return {.kv_heads = settings.kv_heads,
          .head_dim = settings.head_dim,
          .window = settings.window,
          .dtype = accuracy == Accuracy::exact ? DType::f32 : DType::f16};
}

Tensor SelfAttention::run(const Tensor& x, const Step& step, const Tensor* residual) const {
  Tensor q = qkv_[0](x);
  Tensor k = qkv_[1](x);
  Tensor v = qkv_[2](x);
  step.batch.checkpoint();
  if (settings_.clip > 0) {
    for (Tensor* each : {&q, &k, &v}) *each = ops::clip(*each, -settings_.clip, settings_.clip);
  }
  if (settings_.norms_rotated) rotate(q, k, step);
  q = norm(q, q_norm_, q_norm_weights_);
  k = norm(k, k_norm_, k_norm_weights_);
  if (!settings_.norms_rotated) rotate(q, k, step);
  if (settings_.position_scale != 0) scale_by_position(q, step.batch);
  Tensor attended = attend(step.batch, q, k, v);
  step.batch.checkpoint();
  if (before_output_) attended = (*before_output_)(attended);
  Tensor result = residual == nullptr ? output_(attended) : output_(attended, *residual);
  step.batch.checkpoint();
  return result;
}

Tensor SelfAttention::norm(const Tensor& x, const std::optional<Norm>& by,
                           const std::optional<Tensor>& weights) const {
  if (!by) return x;
  return weights ? ops::mul((*by)(x), *weights) : (*by)(x);
}

void SelfAttention::rotate(Tensor& q, Tensor& k, const Step& step) const {
  if (!settings_.rotary) return;
  const ops::RotaryTable& table = step.rotary[*settings_.rotary];
  table.rotate(q, settings_.head_dim, settings_.pairs);
  table.rotate(k, settings_.head_dim, settings_.pairs);
}

void SelfAttention::scale_by_position(Tensor& q, const Batch& batch) const {
  float* row = q.mutable_data<float>().data();
  for (const std::int64_t position : batch.positions()) {
    const auto steps = static_cast<float>(position / settings_.of_positions);
    const float scale = 1.f + settings_.position_scale * std::log1p(steps);
    for (std::int64_t i = 0; i < q.dim(1); ++i) row[i] *= scale;
    row += q.dim(1);
  }
}

/// Stores the keys and values of the batch's tokens, and attends over all that each sequence holds
/// then.
Tensor SelfAttention::attend(const Batch& batch, const Tensor& q, const Tensor& k,
                             const Tensor& v) const {
  if (batch.parts.front().sequence == nullptr) return attend_texts(batch, q, k, v);
  Tensor attended = Tensor::empty(q.shape());
  const float* queries = q.data<float>().data();
  const float* keys = k.data<float>().data();
  const float* values = v.data<float>().data();
  float* dst = attended.mutable_data<float>().data();
  std::vector<ops::PagedTokens> parts;
  for (const Batch::Part& part : batch.parts) {
    parts.push_back({.pages = part.sequence->layer(layer_),
                     .position = part.sequence->length(),
                     .count = part.count,
                     .queries = queries,
                     .keys = keys,
                     .values = values,
                     .dst = dst});
    queries += part.count * q.dim(1);
    keys += part.count * k.dim(1);
    values += part.count * v.dim(1);
    dst += part.count * q.dim(1);
  }
  const KeysAndValues& kept = batch.parts.front().sequence->pool().layer(layer_);
  const float scale = scale_of(settings_);
  ops::paged_attention({.heads = settings_.heads,
                        .kv_heads = kept.kv_heads,
                        .head_dim = kept.head_dim,
                        .dtype = kept.dtype},
                       parts,
                       {.window = settings_.window, .scale = scale, .softcap = settings_.softcap});
  return attended;
}

/// Each text by itself.
Tensor SelfAttention::attend_texts(const Batch& batch, const Tensor& q, const Tensor& k,
                                   const Tensor& v) const {
  require(settings_.is_causal || settings_.window == 0, "attention: a window that is not causal");
  std::vector<Tensor> attended;
  std::int64_t begin = 0;
  for (const Batch::Part& part : batch.parts) {
    const auto heads_of = [&](const Tensor& x) {
      return x.slice(0, begin, begin + part.count)
          .reshape({1, part.count, x.dim(1) / settings_.head_dim, settings_.head_dim})
          .transpose(1, 2);
    };
    const Tensor heads = ops::masked_attention(heads_of(q), heads_of(k), heads_of(v),
                                               {.causal = settings_.is_causal,
                                                .window = settings_.window,
                                                .scale = scale_of(settings_),
                                                .softcap = settings_.softcap})
                             .output;
    attended.push_back(heads.transpose(1, 2).reshape({part.count, q.dim(1)}));
    begin += part.count;
  }
  return ops::concat(attended, 0);
}

}  // namespace quern::models
