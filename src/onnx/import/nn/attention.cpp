#include <algorithm>
#include <utility>

#include "core/format.h"
#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using ops::ScoreStage;

Tensor append(const std::optional<Tensor>& past, const Tensor& x) {
  if (!past) return x;
  const Tensor parts[] = {*past, x};
  return ops::concat(parts, 2);
}

class Attention final : public Kernel {
 public:
  explicit Attention(const Node& node)
      : q_heads_(node.attributes.find<std::int64_t>("q_num_heads")),
        kv_heads_(node.attributes.find<std::int64_t>("kv_num_heads")) {
    options_.causal = flag(node, "is_causal");
    options_.scale = node.attributes.get("scale", 0.f);
    options_.softcap = node.attributes.get("softcap", 0.f);
    if (!node.has_output(3)) return;
    const std::int64_t mode = node.attributes.get("qk_matmul_output_mode", std::int64_t{0});
    constexpr ScoreStage kStages[] = {ScoreStage::scaled, ScoreStage::capped, ScoreStage::masked,
                                      ScoreStage::probabilities};
    if (mode < 0 || mode > 3)
      fail(ErrorCode::corrupt_file, "qk_matmul_output_mode is {}, expected 0 to 3", mode);
    options_.scores = kStages[mode];
  }

  void run(const Inputs& in, Outputs& out) const override {
    const bool merged = in[0].rank() == 3;
    if (merged) require(q_heads_ && kv_heads_, "q_num_heads and kv_num_heads are needed");
    const Tensor q = merged ? split_heads(in[0], *q_heads_) : in[0];
    const Tensor k = append(in.find(4), merged ? split_heads(in[1], *kv_heads_) : in[1]);
    const Tensor v = append(in.find(5), merged ? split_heads(in[2], *kv_heads_) : in[2]);
    require(in.has(4) == in.has(5), "past_key and past_value go together");
    ops::MaskedAttentionOptions options = options_;
    options.mask = in.find(3);
    options.key_lengths = in.find(6);
    if (in.has(4))
      options.query_starts =
          Tensor::full({q.dim(0)}, static_cast<double>(in[4].dim(2)), DType::i64);
    ops::AttentionResult result = ops::masked_attention(q, k, v, options);
    out.set(0, merged ? merge_heads(result.output) : result.output);
    out.set(1, k);
    out.set(2, v);
    if (result.scores) out.set(3, *result.scores);
  }

 private:
  std::optional<std::int64_t> q_heads_, kv_heads_;
  ops::MaskedAttentionOptions options_;
};

KernelPtr attention(const Node& node, const ImportContext&) {
  return std::make_unique<const Attention>(node);
}

/// Attention whose scores and probabilities pass through subgraphs.
class FlexAttention final : public Kernel {
 public:
  FlexAttention(const Node& node, const ImportContext& context)
      : scale_(node.attributes.get("scale", 0.f)),
        score_mod_(subgraph(node, context, "score_mod")),
        prob_mod_(subgraph(node, context, "prob_mod")) {}

  void run(const Inputs& in, Outputs& out) const override {
    ops::MaskedAttentionOptions options{.scale = scale_};
    if (!score_mod_ && !prob_mod_) {
      out.set(0, ops::masked_attention(in[0], in[1], in[2], options).output);
      return;
    }
    const Tensor q = wide(in[0]);
    const Tensor k = wide(in[1]);
    const Tensor v = wide(in[2]);
    options.scores = ScoreStage::scaled;
    const Tensor scores = *ops::masked_attention(q, k, v, options).scores;
    const Tensor probabilities =
        modify(prob_mod_, ops::softmax(modify(score_mod_, scores, in)), in);
    const std::int64_t group = q.dim(1) / k.dim(1);
    const Tensor y =
        ops::matmul(probabilities.reshape({q.dim(0), k.dim(1), group * q.dim(2), k.dim(2)}), v);
    out.set(0, y.reshape({q.dim(0), q.dim(1), q.dim(2), v.dim(3)}).cast(in[0].dtype()));
  }

 private:
  static std::shared_ptr<const Subgraph> subgraph(const Node& node, const ImportContext& context,
                                                  std::string_view name) {
    if (!node.attributes.contains(name)) return nullptr;
    auto body = context.compile(*node.attributes.get<std::shared_ptr<const Graph>>(name));
    if (body->graph().inputs.size() != 1 || body->graph().outputs.size() != 1)
      fail(ErrorCode::corrupt_file, "{} must have one input and one output", name);
    return body;
  }

  // The softmax is computed in f32 at least.
  static Tensor wide(const Tensor& x) { return x.dtype() == DType::f64 ? x : x.cast(DType::f32); }

  static Tensor modify(const std::shared_ptr<const Subgraph>& body, const Tensor& x,
                       const Inputs& in) {
    if (!body) return x;
    const Tensor result = body->run_nested(std::vector<Value>{x}, in)[0].tensor();
    require(result.shape() == x.shape(), "a subgraph made {} of {}", result.shape(), x.shape());
    return result.cast(x.dtype());
  }

  float scale_;
  std::shared_ptr<const Subgraph> score_mod_, prob_mod_;
};

KernelPtr flex_attention(const Node& node, const ImportContext& context) {
  return std::make_unique<const FlexAttention>(node, context);
}

KernelPtr rotary_embedding(const Node& node, const ImportContext&) {
  const std::int64_t heads = node.attributes.get("num_heads", std::int64_t{0});
  const std::int64_t rotated = node.attributes.get("rotary_embedding_dim", std::int64_t{0});
  const auto pairs =
      flag(node, "interleaved") ? ops::RotaryPairs::interleaved : ops::RotaryPairs::halves;
  return make_kernel([=](const Inputs& in) {
    const bool merged = in[0].rank() == 3;
    const Tensor x = merged ? split_heads(in[0], heads) : in[0];
    require(x.rank() == 4, "expected x of rank 3 or 4, got {}", x.shape());
    const bool by_position = in.has(3);
    const Tensor cosines = by_position ? ops::gather(in[1], in[3]) : in[1];
    const Tensor sines = by_position ? ops::gather(in[2], in[3]) : in[2];
    const std::int64_t dims = rotated > 0 ? rotated : x.dim(3);
    require(cosines.dim(-1) == dims / 2, "cos_cache has {} columns, expected {}", cosines.dim(-1),
            dims / 2);
    const Tensor y = ops::apply_rotary(x.transpose(1, 2), cosines, sines, pairs);
    return merged ? y.reshape(in[0].shape()) : y.transpose(1, 2);
  });
}

KernelPtr linear_attention(const Node& node, const ImportContext&) {
  constexpr std::pair<std::string_view, ops::StateUpdate> kRules[] = {
      {"linear", ops::StateUpdate::linear},
      {"gated", ops::StateUpdate::gated},
      {"delta", ops::StateUpdate::delta},
      {"gated_delta", ops::StateUpdate::gated_delta}};
  const std::string name = node.attributes.get("update_rule", "gated_delta");
  const auto* rule =
      std::ranges::find_if(kRules, [&](const auto& row) { return row.first == name; });
  if (rule == std::end(kRules)) {
    fail(ErrorCode::corrupt_file, "update_rule is \"{}\"; known: linear, gated, delta, gated_delta",
         name);
  }
  const auto q_heads = node.attributes.get<std::int64_t>("q_num_heads");
  const auto kv_heads = node.attributes.get<std::int64_t>("kv_num_heads");
  if (q_heads <= 0 || kv_heads <= 0)
    fail(ErrorCode::corrupt_file, "{} and {} heads", q_heads, kv_heads);
  const ops::LinearAttentionOptions options{.update = rule->second,
                                            .scale = node.attributes.get("scale", 0.f)};
  return make_kernel([=](const Inputs& in) {
    const auto split = [](const Tensor& x, std::int64_t heads) {
      return split_heads(x, heads).transpose(1, 2);
    };
    ops::LinearAttentionOptions wanted = options;
    wanted.state = in.find(3);
    if (in.has(4)) wanted.decay = split(in[4], kv_heads);
    wanted.beta = in.find(5);
    const ops::LinearAttentionResult result = ops::linear_attention(
        split(in[0], q_heads), split(in[1], kv_heads), split(in[2], kv_heads), wanted);
    const Tensor& y = result.output;
    return std::vector<Tensor>{y.reshape({y.dim(0), y.dim(1), y.dim(2) * y.dim(3)}), result.state};
  });
}

KernelPtr causal_conv_with_state(const Node& node, const ImportContext&) {
  const std::string activation = node.attributes.get("activation", "none");
  const bool silu = activation == "silu" || activation == "swish";
  if (!silu && activation != "none" && !activation.empty())
    fail(ErrorCode::corrupt_file, "activation is \"{}\"; known: none, silu, swish", activation);
  return make_kernel([silu](const Inputs& in) {
    const ops::CausalConvResult result = ops::causal_conv(in[0], in[1], in.find(2), in.find(3));
    return std::vector<Tensor>{silu ? ops::silu(result.output) : result.output, result.state};
  });
}

// clang-format off
constexpr Operator kAttentionOperators[] = {
    {.op_type = "Attention", .since = 23, .inputs = {3, 6}, .import = attention,
     .mapping = {.shapes = kSame}},
    {.op_type = "Attention", .since = 24, .inputs = {3, 7}, .import = attention,
     .mapping = {.shapes = kSame}},
    {.op_type = "CausalConvWithState", .since = 27, .import = causal_conv_with_state,
     .mapping = {.shapes = kSame}},
    {.op_type = "FlexAttention", .domain = kPreview, .import = flex_attention,
     .mapping = {.shapes = kSame}},
    {.op_type = "LinearAttention", .since = 27, .import = linear_attention,
     .mapping = {.shapes = kSame}},
    {.op_type = "RotaryEmbedding", .since = 23, .inputs = {3, 4}, .import = rotary_embedding,
     .mapping = {.shapes = kSame}},
};
// clang-format on

}  // namespace

OperatorTable attention_operators() { return kAttentionOperators; }

}  // namespace quern::onnx
