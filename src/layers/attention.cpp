#include "quern/layers/attention.h"

#include "core/error.h"
#include "core/format.h"
#include "quern/ops.h"

namespace quern {
namespace {

std::int64_t kv_dim(std::int64_t dim, std::int64_t heads, std::int64_t kv_heads) {
  require(heads > 0 && dim % heads == 0, "MultiHeadAttention: {} heads do not divide dim {}", heads,
          dim);
  require(kv_heads >= 0 && (kv_heads == 0 || heads % kv_heads == 0),
          "MultiHeadAttention: kv_heads {} does not divide heads {}", kv_heads, heads);
  return kv_heads == 0 ? dim : dim / heads * kv_heads;
}

// Splits nn.MultiheadAttention's joined projection into the three that a Linear each loads.
Weights split_joined(const WeightsView& weights, std::int64_t dim, bool bias) {
  std::map<std::string, Weight> parts;
  const Tensor joined = weights.get("in_proj_weight", {3 * dim, dim}).tensor();
  const char* const names[] = {"q_proj", "k_proj", "v_proj"};
  for (int i = 0; i < 3; ++i) {
    parts.emplace(std::string(names[i]) + ".weight", joined.slice(0, i * dim, (i + 1) * dim));
    if (!bias) continue;
    const Tensor joined_bias = weights.get("in_proj_bias", {3 * dim}).tensor();
    parts.emplace(std::string(names[i]) + ".bias", joined_bias.slice(0, i * dim, (i + 1) * dim));
  }
  return Weights(std::move(parts));
}

Tensor split_heads(const Tensor& x, std::int64_t heads) {
  return x.reshape({x.dim(0), x.dim(1), heads, x.dim(2) / heads}).transpose(1, 2);
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(std::int64_t dim, std::int64_t heads,
                                       const MultiHeadAttentionSettings& settings)
    : dim_(dim),
      heads_(heads),
      settings_(settings),
      query_(dim, dim, {.bias = settings.bias}),
      key_(dim, kv_dim(dim, heads, settings.kv_heads), {.bias = settings.bias}),
      value_(dim, kv_dim(dim, heads, settings.kv_heads), {.bias = settings.bias}),
      output_(dim, dim, {.bias = settings.bias}) {
  if (settings_.kv_heads == 0) settings_.kv_heads = heads;
}

void MultiHeadAttention::load(const WeightsView& weights) {
  MultiHeadAttention loaded = *this;
  const bool joined = weights.contains("in_proj_weight");
  const Weights parts = joined ? split_joined(weights, dim_, settings_.bias) : Weights();
  const WeightsView inputs = joined ? parts.view() : weights;
  loaded.query_.load(inputs["q_proj"]);
  loaded.key_.load(inputs["k_proj"]);
  loaded.value_.load(inputs["v_proj"]);
  loaded.output_.load(weights[joined ? "out_proj" : "o_proj"]);
  *this = std::move(loaded);
}

Tensor MultiHeadAttention::operator()(const Tensor& x) const {
  require(x.rank() == 3 && x.dim(2) == dim_,
          "MultiHeadAttention: expected [batch, tokens, {}], got {}", dim_, x.shape());
  const Tensor q = split_heads(query_(x), heads_);
  const Tensor k = split_heads(key_(x), settings_.kv_heads);
  const Tensor v = split_heads(value_(x), settings_.kv_heads);
  const Tensor attended =
      ops::attention(q, k, v, {.causal = settings_.causal, .window = settings_.window});
  return output_(attended.transpose(1, 2).reshape(x.shape()));
}

}  // namespace quern
