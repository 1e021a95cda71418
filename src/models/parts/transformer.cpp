#include "models/parts/transformer.h"

#include <algorithm>

#include "core/error.h"
#include "core/format.h"
#include "quern/ops.h"

namespace quern::models {
namespace {

void check_size(std::string_view name, std::int64_t value) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 28;
  if (value <= 0 || value > kLargest) {
    fail(ErrorCode::corrupt_file, "model: {} is {}, expected 1 to {}", name, value, kLargest);
  }
}

std::int64_t read_vocab_size(const Settings& settings, const Tensors& tensors) {
  if (!settings.is_gguf()) return settings.size(setting::vocab_size);
  const Shape& shape = tensors.get("token_embd").shape();
  if (shape.rank() != 2)
    fail(ErrorCode::corrupt_file, "model: \"token_embd.weight\" has shape {}", shape);
  return shape[0];
}

Embedding load_embedding(const TransformerSettings& settings, const Tensors& tensors) {
  Embedding embedding(settings.vocab_size, settings.hidden_size);
  embedding.load(tensors.view("token_embd"));
  return embedding;
}

Linear load_output(const TransformerSettings& settings, const Tensors& tensors) {
  const bool is_tied = settings.tied.value_or(!tensors.has("output"));
  const bool is_there = tensors.has("output");
  return load_linear(tensors, is_tied && !is_there ? "token_embd" : "output", settings.hidden_size,
                     settings.vocab_size, settings.output_bias);
}

std::vector<Block> load_blocks(const TransformerSettings& settings, const Tensors& tensors) {
  std::vector<Block> blocks;
  for (std::int64_t i = 0; i < settings.layers; ++i)
    blocks.push_back(settings.block(tensors.layer(i), i));
  return blocks;
}

TransformerSettings seeing_all(TransformerSettings settings) {
  settings.attention.is_causal = false;
  return settings;
}

DecoderInfo info_of(const TransformerSettings& settings, Accuracy accuracy) {
  DecoderInfo info{.vocab_size = settings.vocab_size,
                   .hidden_size = settings.hidden_size,
                   .context_length = settings.context_length};
  info.largest_product = settings.hidden_size * settings.ffn.size;
  info.attention_width = settings.attention.heads * settings.attention.head_dim;
  for (std::int64_t i = 0; i < settings.layers; ++i)
    info.cache.layers.emplace_back(SelfAttention::kept(settings.attention_of(i), accuracy));
  return info;
}

Tensor scaled(const Tensor& x, float scale) {
  return scale == 1.f ? x : ops::mul(x, Tensor::full({1}, static_cast<double>(scale)));
}

}  // namespace

TransformerSettings::TransformerSettings(const Settings& settings, const Tensors& tensors,
                                         NormKind kind, std::optional<RopeFamily> rope_family) {
  if (const std::int64_t experts = settings.size_or(setting::experts, 0); experts > 1) {
    fail(ErrorCode::unsupported, "model: a mixture of experts ({}), which is not supported here",
         experts);
  }
  vocab_size = read_vocab_size(settings, tensors);
  hidden_size = settings.size(setting::hidden_size);
  layers = settings.size(setting::layers);
  context_length = settings.size(setting::context_length);
  check_size("layers", layers);
  if (layers > tensors.count()) {
    fail(ErrorCode::corrupt_file, "model: {} layers of {} tensors", layers, tensors.count());
  }
  attention.hidden_size = ffn.hidden_size = hidden_size;
  attention.heads = settings.size_of_all(setting::heads, layers);
  attention.kv_heads = settings.has(setting::kv_heads)
                           ? settings.size_of_all(setting::kv_heads, layers)
                           : attention.heads;
  const std::int64_t usual = attention.heads > 0 ? hidden_size / attention.heads : 0;
  attention.head_dim = settings.size_or(setting::head_dim, usual);
  ffn.size = settings.has(setting::ffn_size) ? settings.size_of_all(setting::ffn_size, layers)
                                             : 4 * hidden_size;
  check_size("vocab_size", vocab_size);
  check_size("hidden_size", hidden_size);
  check_size("heads", attention.heads);
  check_size("kv_heads", attention.kv_heads);
  check_size("head_dim", attention.head_dim);
  check_size("ffn_size", ffn.size);
  check_size("context_length", context_length);
  if (settings.is_gguf()) {
    const std::int64_t value_dim = settings.size_or(setting::value_dim, usual);
    if (value_dim != attention.head_dim) {
      fail(ErrorCode::unsupported, "model: keys of {} elements and values of {}; known: the same",
           attention.head_dim, value_dim);
    }
  } else {
    tied = settings.flag_or(setting::tied, false);
  }
  ffn.activation = Activation::named(settings.activation());
  norm.kind = kind;
  norm.epsilon = static_cast<float>(
      settings.number(kind == NormKind::rms ? setting::rms_epsilon : setting::layer_epsilon));
  attention.rotary.reset();
  if (!rope_family) return;
  rope_family->head_dim = attention.head_dim;
  rope_family->context_length = context_length;
  attention.rotary = 0;
  attention.pairs = rope_family->pairs;
  ropes = {read_rope(settings, tensors, *rope_family)};
}

SelfAttentionSettings TransformerSettings::attention_of(std::int64_t layer) const {
  SelfAttentionSettings own = attention;
  if (!windows.empty()) own.window = windows[static_cast<std::size_t>(layer)];
  if (!rotary_of_layers.empty()) own.rotary = rotary_of_layers[static_cast<std::size_t>(layer)];
  return own;
}

Block TransformerSettings::block(const Tensors& tensors, std::int64_t layer) const {
  const auto load = [&](std::optional<Norm>& place, const char* name) {
    place.emplace(tensors, name, hidden_size, norm);
  };
  Block block{.is_parallel = is_parallel, .residual_scale = residual_scale};
  if (places != NormPlaces::after) {
    load(block.before_mixer, "attn_norm");
    if (!shares_norm) load(block.before_ffn, "ffn_norm");
  }
  if (places != NormPlaces::before) {
    load(block.after_mixer, "post_attention_norm");
    load(block.after_ffn, "post_ffw_norm");
  }
  block.mixer = std::make_unique<SelfAttention>(tensors, layer, attention_of(layer));
  block.ffn = std::make_unique<FeedForward>(tensors, ffn);
  return block;
}

Trunk::Trunk(const TransformerSettings& settings, const Tensors& tensors, std::vector<Block> blocks)
    : embedding_scale_(settings.embedding_scale),
      embedding_(load_embedding(settings, tensors)),
      rotary_(settings.ropes.begin(), settings.ropes.end()),
      blocks_(std::move(blocks)),
      norm_(tensors, "output_norm", settings.hidden_size, settings.norm) {
  if (settings.position_rows_before) {
    position_rows_before_ = *settings.position_rows_before;
    positions_.emplace(settings.context_length + position_rows_before_, settings.hidden_size);
    positions_->load(tensors.view("position_embd"));
  }
  if (settings.embedding_norm)
    embedding_norm_.emplace(tensors, "token_embd_norm", settings.hidden_size,
                            *settings.embedding_norm);
}

Tensor Trunk::embed(const Batch& batch) const {
  const Shape count{static_cast<std::int64_t>(batch.tokens.size())};
  Tensor x = embedding_(Tensor::borrow(std::span(batch.tokens), count)).cast(DType::f32);
  x = scaled(x, embedding_scale_);
  if (positions_) {
    std::vector<std::int64_t> rows = batch.positions();
    for (std::int64_t& row : rows) row += position_rows_before_;
    x = ops::add(x, (*positions_)(Tensor::borrow(std::span(rows), count)).cast(DType::f32));
  }
  return embedding_norm_ ? (*embedding_norm_)(x) : x;
}

Tensor Trunk::hidden(const Batch& batch) const {
  Step step{.batch = batch, .rotary = {}};
  for (const Rotary& rotary : rotary_) step.rotary.push_back(rotary.at(batch));
  Tensor x = embed(batch);
  for (const Block& block : blocks_) x = block.run(x, step);
  const auto wanted = static_cast<std::int64_t>(batch.wanted.size());
  return norm_(ops::gather(x, Tensor::borrow(std::span(batch.wanted), {wanted})));
}

std::int64_t Trunk::kind_of_length(std::int64_t planned) const {
  for (const Rotary& rotary : rotary_) {
    if (const std::int64_t kind = rotary.kind(planned); kind != 0) return kind;
  }
  return 0;
}

Transformer::Transformer(const TransformerSettings& settings, const Tensors& tensors)
    : Transformer(settings, tensors, load_blocks(settings, tensors)) {}

Transformer::Transformer(const TransformerSettings& settings, const Tensors& tensors,
                         std::vector<Block> blocks)
    : Decoder(info_of(settings, tensors.accuracy())),
      logit_scale_(settings.logit_scale),
      logit_softcap_(settings.logit_softcap),
      trunk_(settings, tensors, std::move(blocks)),
      output_(load_output(settings, tensors)) {
  tensors.refuse_unread();
}

Tensor Transformer::logits(const Tensor& hidden) const {
  const Tensor logits = scaled(output_(hidden), logit_scale_);
  if (logit_softcap_ == 0.f) return logits;
  return scaled(ops::tanh(scaled(logits, 1.f / logit_softcap_)), logit_softcap_);
}

TransformerEncoder::TransformerEncoder(const TransformerSettings& settings, const Tensors& tensors)
    : Encoder({.vocab_size = settings.vocab_size,
               .hidden_size = settings.hidden_size,
               .context_length = settings.context_length}),
      trunk_(settings, tensors, load_blocks(seeing_all(settings), tensors)) {
  tensors.refuse_unread();
}

std::optional<std::vector<std::int64_t>> windows_by_type(const Settings& settings,
                                                         std::int64_t layers, std::int64_t window) {
  if (settings.is_gguf() || !settings.has(setting::layer_types)) return std::nullopt;
  std::vector<std::int64_t> windows;
  for (const io::Json& item : settings.json().array(setting::layer_types.json.front())) {
    const std::string type = item.is_string() ? item.get<std::string>() : item.dump();
    if (type != "full_attention" && type != "sliding_attention") {
      fail(ErrorCode::unsupported,
           "config.json: \"layer_types\" has \"{}\"; known: full_attention, sliding_attention",
           type);
    }
    windows.push_back(type == "sliding_attention" ? window : 0);
  }
  if (std::ssize(windows) != layers) {
    fail(ErrorCode::corrupt_file, "config.json: \"layer_types\" has {} elements for {} layers",
         windows.size(), layers);
  }
  return windows;
}

std::vector<std::int64_t> windows_by_period(std::int64_t layers, std::int64_t window,
                                            std::int64_t period) {
  std::vector<std::int64_t> windows;
  for (std::int64_t i = 1; i <= layers; ++i)
    windows.push_back(period <= 0 || i % period == 0 ? 0 : window);
  return windows;
}

}  // namespace quern::models
