#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "models/decoder.h"
#include "models/encoder.h"
#include "models/parts/block.h"
#include "models/parts/feed_forward.h"
#include "models/parts/rotary.h"
#include "models/parts/self_attention.h"
#include "models/source/settings.h"
#include "quern/layers.h"

namespace quern::models {

/// Where the norms of a block stand: those of the mixer ("attn_norm", "post_attention_norm") and
/// those of the feed-forward part ("ffn_norm", "post_ffw_norm").
enum class NormPlaces { before, after, both };

/// A decoder of alike blocks: what a family fills in, beginning with what its files say.
struct TransformerSettings {
  /// Reads the sizes, the activation, the norms' epsilon and the rotary positions that every family
  /// has. Throws: `corrupt_file` for sizes that are not positive, absurd, or do not fit each other.
  /// Without a rope family it has no rotary positions.
  TransformerSettings(const Settings& settings, const Tensors& tensors, NormKind kind,
                      std::optional<RopeFamily> rope_family = RopeFamily{});

  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t layers = 0;
  std::int64_t context_length = 0;
  NormSettings norm;  ///< of all norms but those of queries and keys
  NormPlaces places = NormPlaces::before;
  bool is_parallel = false;
  bool shares_norm = false;           ///< of parallel ones: "attn_norm" is the only norm
  SelfAttentionSettings attention;    ///< `window` and `rotary` as the next two say
  std::vector<std::int64_t> windows;  ///< of each layer; empty: none has one
  std::vector<std::optional<std::size_t>> rotary_of_layers;  ///< empty: the first for all
  FeedForwardSettings ffn;
  std::vector<RopeSettings> ropes;
  float embedding_scale = 1.f;
  /// "position_embd" [context_length + this, hidden_size], whose row at a token's position and so
  /// many rows beyond is added to its embedding; none: there is no such tensor.
  std::optional<std::int64_t> position_rows_before;
  std::optional<NormSettings> embedding_norm;  ///< "token_embd_norm", of all that
  float residual_scale = 1.f;
  float logit_scale = 1.f;
  float logit_softcap = 0.f;  ///< logits become softcap * tanh(logit / softcap); 0: unchanged
  std::optional<bool> tied;   ///< whether "output" is "token_embd"; none: where it is not there
  std::optional<bool> output_bias = false;

  /// The attention of one layer.
  SelfAttentionSettings attention_of(std::int64_t layer) const;
  /// Its block, with attention and a feed-forward layer.
  Block block(const Tensors& tensors, std::int64_t layer) const;
};

/// Embeddings, blocks, and a norm ("output_norm"). Immutable.
class Trunk {
 public:
  Trunk(const TransformerSettings& settings, const Tensors& tensors, std::vector<Block> blocks);

  /// Hidden states [wanted, hidden_size] of the places that a batch wants.
  Tensor hidden(const Batch& batch) const;
  /// As Decoder::kind_of_length.
  std::int64_t kind_of_length(std::int64_t planned) const;

 private:
  Tensor embed(const Batch& batch) const;

  float embedding_scale_;
  Embedding embedding_;
  std::int64_t position_rows_before_ = 0;
  std::optional<Embedding> positions_;
  std::optional<Norm> embedding_norm_;
  std::vector<Rotary> rotary_;
  std::vector<Block> blocks_;
  Norm norm_;
};

/// A decoder: a trunk, and logits ("output").
class Transformer final : public Decoder {
 public:
  /// Loads all, and refuses tensors of the file that were not read. Throws: as Tensors.
  Transformer(const TransformerSettings& settings, const Tensors& tensors);
  /// With blocks that are not alike: one for each layer.
  Transformer(const TransformerSettings& settings, const Tensors& tensors,
              std::vector<Block> blocks);

  Tensor hidden(const Batch& batch) const override { return trunk_.hidden(batch); }
  Tensor logits(const Tensor& hidden) const override;
  std::int64_t kind_of_length(std::int64_t planned) const override {
    return trunk_.kind_of_length(planned);
  }

 private:
  float logit_scale_, logit_softcap_;
  Trunk trunk_;
  Linear output_;
};

/// An encoder: a trunk whose attention sees all of a text.
class TransformerEncoder final : public Encoder {
 public:
  /// As Transformer, but for "output", which it does not have.
  TransformerEncoder(const TransformerSettings& settings, const Tensors& tensors);
  Tensor hidden(const Batch& batch) const override { return trunk_.hidden(batch); }

 private:
  Trunk trunk_;
};

/// The windows of layers by "layer_types" of config.json. Throws: `unsupported` for a type that is
/// neither "full_attention" nor "sliding_attention"; `corrupt_file` where there are not `layers`.
/// Nothing where config.json has none of it.
std::optional<std::vector<std::int64_t>> windows_by_type(const Settings& settings,
                                                         std::int64_t layers, std::int64_t window);
/// Every `period`th layer sees all, the others a window; 0: all see all.
std::vector<std::int64_t> windows_by_period(std::int64_t layers, std::int64_t window,
                                            std::int64_t period);

}  // namespace quern::models
