#include <algorithm>
#include <utility>

#include "core/format.h"
#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

// ---- Activations ----

KernelPtr bias_gelu(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return ops::gelu(ops::add(in[0], in[1])); });
}

KernelPtr fast_gelu(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    return ops::gelu(in.has(1) ? ops::add(in[0], in[1]) : in[0], ops::GeluForm::tanh);
  });
}

KernelPtr quick_gelu(const Node& node, const ImportContext&) {
  const float alpha = node.attributes.get("alpha", 1.702f);
  return make_kernel([alpha](const Inputs& in) {
    const Tensor factor = Tensor::full({}, alpha, in[0].dtype());
    return ops::mul(in[0], ops::sigmoid(ops::mul(in[0], factor)));
  });
}

// ---- Normalisation ----

/// Of the inputs of one token's row: their sum, normalised, and the sum itself.
std::vector<Value> normalised(const Tensor& sum, const Tensor& y) {
  return {Value(y), Value(), Value(), Value(sum)};
}

KernelPtr skip_layer_normalization(const Node& node, const ImportContext&) {
  const float epsilon = node.attributes.get("epsilon", 1e-12f);
  return make_kernel([epsilon](const Inputs& in) {
    Tensor sum = ops::add(in[0], in[1]);
    if (in.has(4)) sum = ops::add(sum, in[4]);
    return normalised(sum, ops::layer_norm(sum, in[2], in.find(3), epsilon));
  });
}

KernelPtr skip_simplified_layer_normalization(const Node& node, const ImportContext&) {
  const float epsilon = node.attributes.get("epsilon", 1e-12f);
  return make_kernel([epsilon](const Inputs& in) {
    Tensor sum = ops::add(in[0], in[1]);
    if (in.has(3)) sum = ops::add(sum, in[3]);
    return normalised(sum, ops::rms_norm(sum, in[2], epsilon));
  });
}

KernelPtr simplified_layer_normalization(const Node& node, const ImportContext&) {
  const float epsilon = node.attributes.get("epsilon", 1e-5f);
  const auto axis = node.attributes.get("axis", std::int64_t{-1});
  return make_kernel([=](const Inputs& in) {
    const int rank = in[0].rank();
    if (checked_axes(std::vector{axis}, rank)[0] != rank - 1)
      fail(ErrorCode::unsupported, "axis {} of {}: only the last is supported", axis,
           in[0].shape());
    return ops::rms_norm(in[0], in[1], epsilon);
  });
}

KernelPtr embed_layer_normalization(const Node& node, const ImportContext&) {
  const float epsilon = node.attributes.get("epsilon", 1e-12f);
  return make_kernel([epsilon](const Inputs& in) {
    const Tensor& ids = in[0];
    require(ids.rank() == 2, "expected input_ids [batch, tokens], got {}", ids.shape());
    const Tensor positions = in.has(8) ? ops::gather(in[3], in[8]) : in[3].slice(0, 0, ids.dim(1));
    Tensor sum = ops::add(ops::gather(in[2], ids), positions);
    if (in.has(1)) sum = ops::add(sum, ops::gather(in[4], in[1]));
    const int tokens[] = {1};
    const Tensor lengths = in.has(7) ? ops::sum(in[7], tokens).cast(DType::i32)
                                     : Tensor::zeros({ids.dim(0)}, DType::i32);
    return std::vector<Tensor>{ops::layer_norm(sum, in[5], in[6], epsilon), lengths, sum};
  });
}

// ---- Products ----

Tensor transposed(const Tensor& x, bool last_two, bool batch) {
  Tensor y = x;
  if (batch && y.rank() > 2) {  // the first axis goes before the last
    Shape axes;
    for (int axis = 1; axis < y.rank() - 1; ++axis) axes.push_back(axis);
    axes.push_back(0);
    axes.push_back(y.rank() - 1);
    y = y.permute(axes);
  }
  return last_two && y.rank() > 1 ? y.transpose(-2, -1) : y;
}

KernelPtr fused_matmul(const Node& node, const ImportContext&) {
  const auto is_set = [&](std::string_view name) {
    return node.attributes.get(name, std::int64_t{0}) != 0;
  };
  const float alpha = node.attributes.get("alpha", 1.f);
  return make_kernel([=, transpose_a = is_set("transA"), transpose_b = is_set("transB"),
                      batch_a = is_set("transBatchA"),
                      batch_b = is_set("transBatchB")](const Inputs& in) {
    const Tensor y = ops::matmul(transposed(in[0], transpose_a, batch_a),
                                 transposed(in[1], transpose_b, batch_b));
    return alpha == 1.f ? y : ops::mul(y, Tensor::full({}, alpha, y.dtype()));
  });
}

// ---- Attention ----

std::int64_t head_count(const Node& node, std::string_view name) {
  const auto heads = node.attributes.get<std::int64_t>(name);
  if (heads <= 0) fail(ErrorCode::corrupt_file, "{} is {}", name, heads);
  return heads;
}

/// Rotates the heads of x [batch, heads, tokens, dim] by rows of the caches.
Tensor rotate(const Tensor& x, const Tensor& cosines, const Tensor& sines, const Tensor& positions,
              ops::RotaryPairs pairs) {
  return ops::apply_rotary(x.transpose(1, 2), ops::gather(cosines, positions),
                           ops::gather(sines, positions), pairs)
      .transpose(1, 2);
}

/// Positions [batch, tokens] that count from each entry's start.
Tensor count_from(const std::vector<std::int64_t>& starts, std::int64_t tokens) {
  Tensor positions = Tensor::empty({static_cast<std::int64_t>(starts.size()), tokens}, DType::i64);
  auto* to = positions.mutable_data<std::int64_t>().data();
  for (const std::int64_t start : starts) {
    for (std::int64_t i = 0; i < tokens; ++i) *to++ = start + i;
  }
  return positions;
}

ops::RotaryPairs pairs_of(const Node& node, std::string_view name) {
  return node.attributes.get(name, std::int64_t{0}) != 0 ? ops::RotaryPairs::interleaved
                                                         : ops::RotaryPairs::halves;
}

KernelPtr scaled_rotary_embedding(const Node& node, const ImportContext&) {
  const std::int64_t heads = node.attributes.get("num_heads", std::int64_t{0});
  const std::int64_t rotated = node.attributes.get("rotary_embedding_dim", std::int64_t{0});
  const ops::RotaryPairs pairs = pairs_of(node, "interleaved");
  const float scale = node.attributes.get("scale", 1.f);
  if (scale != 1.f) fail(ErrorCode::unsupported, "a scale of {} is not supported", scale);
  return make_kernel([=](const Inputs& in) {
    const bool merged = in[0].rank() == 3;
    const std::int64_t dim = rotated > 0 ? rotated : 2 * in[2].dim(-1);
    require(!merged || heads > 0 || dim > 0, "the caches have no columns");
    const Tensor x = merged ? split_heads(in[0], heads > 0 ? heads : in[0].dim(2) / dim) : in[0];
    require(x.rank() == 4, "expected x of rank 3 or 4, got {}", in[0].shape());
    Tensor positions = in[1];
    if (positions.numel() == 1) {
      const std::int64_t start = positions.cast(DType::i64).reshape({}).item<std::int64_t>();
      positions = count_from(std::vector<std::int64_t>(static_cast<std::size_t>(x.dim(0)), start),
                             x.dim(2));
    }
    const Tensor y = rotate(x, in[2], in[3], positions, pairs);
    return merged ? y.transpose(1, 2).reshape(in[0].shape()) : y;
  });
}

class GroupQueryAttention final : public Kernel {
 public:
  explicit GroupQueryAttention(const Node& node)
      : heads_(head_count(node, "num_heads")),
        kv_heads_(head_count(node, "kv_num_heads")),
        rotates_(node.attributes.get("do_rotary", std::int64_t{0}) != 0),
        pairs_(pairs_of(node, "rotary_interleaved")) {
    options_.causal = true;
    options_.scale = node.attributes.get("scale", 0.f);
    options_.softcap = node.attributes.get("softcap", 0.f);
    options_.sink = node.attributes.get("smooth_softmax", std::int64_t{0}) > 0;
    const std::int64_t window = node.attributes.get("local_window_size", std::int64_t{-1});
    options_.window = window < 0 ? 0 : window + 1;  // the token itself does not count
    if (node.has_input(11)) fail(ErrorCode::unsupported, "head_sink is not supported");
  }

  void run(const Inputs& in, Outputs& out) const override {
    Tensor q, k, v;
    split(in, q, k, v);
    const std::int64_t tokens = q.dim(2);
    std::vector<std::int64_t> lengths;  // of keys, each batch entry's
    std::vector<std::int64_t> starts;
    for (const std::int64_t last : in.ints(5)) {
      lengths.push_back(last + 1);
      starts.push_back(std::max<std::int64_t>(last + 1 - tokens, 0));
    }
    const auto batch = static_cast<std::int64_t>(lengths.size());
    require(batch == q.dim(0), "seqlens_k has {} elements, expected {}", batch, q.dim(0));
    if (rotates_) {
      const Tensor positions = in.has(9) ? in[9] : count_from(starts, tokens);
      q = rotate(q, in[7], in[8], positions, pairs_);
      k = rotate(k, in[7], in[8], positions, pairs_);
    }
    const Tensor keys = present(in.find(3), k, starts, lengths);
    const Tensor values = present(in.find(4), v, starts, lengths);
    ops::MaskedAttentionOptions options = options_;
    options.mask = in.find(10);
    options.key_lengths = Tensor::from(lengths, {batch});
    options.query_starts = Tensor::from(starts, {batch});
    out.set(0, merge_heads(ops::masked_attention(q, keys, values, options).output));
    out.set(1, keys);
    out.set(2, values);
  }

 private:
  void split(const Inputs& in, Tensor& q, Tensor& k, Tensor& v) const {
    if (in.has(1)) {
      q = split_heads(in[0], heads_);
      k = split_heads(in[1], kv_heads_);
      v = split_heads(in[2], kv_heads_);
      return;
    }
    const Tensor all = split_heads(in[0], heads_ + 2 * kv_heads_);
    q = all.slice(1, 0, heads_);
    k = all.slice(1, heads_, heads_ + kv_heads_);
    v = all.slice(1, heads_ + kv_heads_, heads_ + 2 * kv_heads_);
  }

  /// The past of each entry up to its start, then what is new.
  static Tensor present(const std::optional<Tensor>& past, const Tensor& x,
                        const std::vector<std::int64_t>& starts,
                        const std::vector<std::int64_t>& lengths) {
    const std::int64_t before = past ? past->dim(2) : 0;
    const std::int64_t tokens = x.dim(2);
    std::int64_t total = std::max(before, tokens);
    for (std::size_t i = 0; i < starts.size(); ++i) {
      require(starts[i] <= before, "seqlens_k says {} past keys, there are {}", starts[i], before);
      total = std::max({total, lengths[i], starts[i] + tokens});
    }
    std::vector<Tensor> entries;
    for (std::size_t i = 0; i < starts.size(); ++i) {
      const auto entry = static_cast<std::int64_t>(i);
      const Tensor own = x.slice(0, entry, entry + 1);
      std::vector<Tensor> parts;
      if (starts[i] > 0) parts.push_back(past->slice(0, entry, entry + 1).slice(2, 0, starts[i]));
      parts.push_back(own);
      const std::int64_t rest = total - starts[i] - tokens;
      if (rest > 0) parts.push_back(Tensor::zeros({1, x.dim(1), rest, x.dim(3)}, x.dtype()));
      entries.push_back(ops::concat(parts, 2));
    }
    return ops::concat(entries, 0);
  }

  std::int64_t heads_, kv_heads_;
  bool rotates_;
  ops::RotaryPairs pairs_;
  ops::MaskedAttentionOptions options_;
};

KernelPtr group_query_attention(const Node& node, const ImportContext&) {
  return std::make_unique<const GroupQueryAttention>(node);
}

/// A mask of keys [batch, keys], 1 where a key is seen, or their counts [batch], as numbers to add.
Tensor padding_bias(const Tensor& mask, std::int64_t batch, std::int64_t keys, float filter) {
  Tensor bias = Tensor::zeros({batch, 1, 1, keys});
  const Tensor dense = mask.cast(DType::i64).contiguous();
  const auto given = dense.data<std::int64_t>();
  const bool counts = mask.shape() == Shape{batch};
  if (!counts && mask.shape() != Shape{batch, keys}) {
    fail(ErrorCode::unsupported,
         "a mask {} for {} keys is not supported: expected [{}] or [{}, {}]", mask.shape(), keys,
         batch, batch, keys);
  }
  const auto numbers = bias.mutable_data<float>();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto width = static_cast<std::size_t>(keys);
    const bool seen =
        counts ? static_cast<std::int64_t>(i % width) < given[i / width] : given[i] != 0;
    if (!seen) numbers[i] = filter;
  }
  return bias;
}

class MultiHeadAttention final : public Kernel {
 public:
  explicit MultiHeadAttention(const Node& node)
      : heads_(head_count(node, "num_heads")),
        filter_(node.attributes.get("mask_filter_value", -10000.f)) {
    options_.causal = node.attributes.get("unidirectional", std::int64_t{0}) != 0;
    options_.scale = node.attributes.get("scale", 0.f);
    if (node.has_input(8)) fail(ErrorCode::unsupported, "past_sequence_length is not supported");
  }

  void run(const Inputs& in, Outputs& out) const override {
    Tensor q, k, v;
    split(in, q, k, v);
    std::int64_t past = 0;
    if (in.has(6)) {
      past = in[6].dim(2);
      const Tensor key_parts[] = {in[6], k};
      const Tensor value_parts[] = {in[7], v};
      k = ops::concat(key_parts, 2);
      v = ops::concat(value_parts, 2);
    }
    ops::MaskedAttentionOptions options = options_;
    options.query_starts = Tensor::full({q.dim(0)}, static_cast<double>(past), DType::i64);
    options.mask = in.find(5);
    if (in.has(4)) {
      const Tensor bias = padding_bias(in[4], q.dim(0), k.dim(2), filter_);
      options.mask = options.mask ? ops::add(options.mask->cast(DType::f32), bias) : bias;
    }
    out.set(0, merge_heads(ops::masked_attention(q, k, v, options).output));
    out.set(1, k);
    out.set(2, v);
  }

 private:
  void split(const Inputs& in, Tensor& q, Tensor& k, Tensor& v) const {
    if (!in.has(1) || in[1].rank() == 5)
      fail(ErrorCode::unsupported, "packed query, key and value are not supported");
    const auto with_bias = [&](std::size_t index, std::int64_t begin, std::int64_t end) {
      return in.has(3) ? ops::add(in[index], in[3].slice(0, begin, end)) : in[index];
    };
    const std::int64_t hidden = in[0].dim(-1);
    q = split_heads(with_bias(0, 0, hidden), heads_);
    if (in[1].rank() == 4) {  // keys and values of an encoder, ready
      k = in[1];
      v = in[2];
      return;
    }
    k = split_heads(with_bias(1, hidden, 2 * hidden), heads_);
    v = split_heads(with_bias(2, 2 * hidden, 2 * hidden + in[2].dim(-1)), heads_);
  }

  std::int64_t heads_;
  float filter_;
  ops::MaskedAttentionOptions options_;
};

KernelPtr multi_head_attention(const Node& node, const ImportContext&) {
  return std::make_unique<const MultiHeadAttention>(node);
}

/// Projects x to queries, keys and values first.
class ProjectedAttention final : public Kernel {
 public:
  explicit ProjectedAttention(const Node& node)
      : heads_(head_count(node, "num_heads")),
        filter_(node.attributes.get("mask_filter_value", -10000.f)),
        sizes_(node.attributes.ints("qkv_hidden_sizes")) {
    options_.causal = node.attributes.get("unidirectional", std::int64_t{0}) != 0;
    options_.scale = node.attributes.get("scale", 0.f);
    if (node.attributes.get("do_rotary", std::int64_t{0}) != 0)
      fail(ErrorCode::unsupported, "do_rotary is not supported");
    if (!sizes_.empty() && sizes_.size() != 3)
      fail(ErrorCode::corrupt_file, "qkv_hidden_sizes has {} elements", sizes_.size());
  }

  void run(const Inputs& in, Outputs& out) const override {
    Tensor projected = ops::matmul(in[0], in[1]);
    if (in.has(2)) projected = ops::add(projected, in[2]);
    const std::int64_t third = projected.dim(-1) / 3;
    const auto size = [&](std::size_t i) { return sizes_.empty() ? third : sizes_[i]; };
    const Tensor q = split_heads(projected.slice(-1, 0, size(0)), heads_);
    Tensor k = split_heads(projected.slice(-1, size(0), size(0) + size(1)), heads_);
    Tensor v =
        split_heads(projected.slice(-1, size(0) + size(1), size(0) + size(1) + size(2)), heads_);
    std::int64_t past = 0;
    if (in.has(4)) {
      require(in[4].rank() == 5 && in[4].dim(0) == 2, "expected past [2, ...], got {}",
              in[4].shape());
      past = in[4].dim(3);
      k = behind(in[4], 0, k);
      v = behind(in[4], 1, v);
    }
    ops::MaskedAttentionOptions options = options_;
    options.query_starts = Tensor::full({q.dim(0)}, static_cast<double>(past), DType::i64);
    options.mask = in.find(5);
    if (in.has(3)) {
      const Tensor bias = padding_bias(in[3], q.dim(0), k.dim(2), filter_);
      options.mask = options.mask ? ops::add(options.mask->cast(DType::f32), bias) : bias;
    }
    out.set(0, merge_heads(ops::masked_attention(q, k, v, options).output));
    if (out.size() > 1) {
      const Shape one{1, k.dim(0), k.dim(1), k.dim(2), k.dim(3)};
      const Tensor parts[] = {k.reshape(one), v.reshape(one)};
      out.set(1, ops::concat(parts, 0));
    }
  }

 private:
  static Tensor behind(const Tensor& past, std::int64_t which, const Tensor& x) {
    const Tensor old = past.slice(0, which, which + 1)
                           .reshape({past.dim(1), past.dim(2), past.dim(3), past.dim(4)});
    const Tensor parts[] = {old, x};
    return ops::concat(parts, 2);
  }

  std::int64_t heads_;
  float filter_;
  std::vector<std::int64_t> sizes_;
  ops::MaskedAttentionOptions options_;
};

KernelPtr projected_attention(const Node& node, const ImportContext&) {
  return std::make_unique<const ProjectedAttention>(node);
}

// clang-format off
constexpr Operator kContribOperators[] = {
    {.op_type = "Attention", .domain = kMicrosoft, .import = projected_attention,
     .mapping = {.shapes = kSame}},
    {.op_type = "BiasGelu", .domain = kMicrosoft, .import = bias_gelu, .mapping = kBroadcasting},
    {.op_type = "EmbedLayerNormalization", .domain = kMicrosoft,
     .import = embed_layer_normalization, .mapping = {.shapes = kSame}},
    {.op_type = "FastGelu", .domain = kMicrosoft, .import = fast_gelu, .mapping = kBroadcasting},
    {.op_type = "FusedMatMul", .domain = kMicrosoft, .import = fused_matmul,
     .mapping = {.shapes = kSame}},
    {.op_type = "GroupQueryAttention", .domain = kMicrosoft, .import = group_query_attention},
    {.op_type = "MultiHeadAttention", .domain = kMicrosoft, .import = multi_head_attention,
     .mapping = {.shapes = kSame}},
    {.op_type = "QuickGelu", .domain = kMicrosoft, .import = quick_gelu, .mapping = kBroadcasting},
    {.op_type = "RotaryEmbedding", .domain = kMicrosoft, .import = scaled_rotary_embedding,
     .mapping = {.shapes = kSame}},
    {.op_type = "SimplifiedLayerNormalization", .import = simplified_layer_normalization,
     .mapping = {.shapes = kSame}},
    {.op_type = "SkipLayerNormalization", .domain = kMicrosoft, .import = skip_layer_normalization,
     .mapping = {.shapes = kSame}},
    {.op_type = "SkipSimplifiedLayerNormalization", .domain = kMicrosoft,
     .import = skip_simplified_layer_normalization, .mapping = {.shapes = kSame}},
};
// clang-format on

}  // namespace

OperatorTable contrib_operators() { return kContribOperators; }

}  // namespace quern::onnx
