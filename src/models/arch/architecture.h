#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "models/cache/kv_cache.h"
#include "models/source/model_config.h"
#include "models/source/model_source.h"
#include "quern/tensor.h"
#include "quern/tokenizer.h"

namespace quern::models {

/// New tokens of one or more sequences, to run through a decoder at once.
struct Batch {
  /// `count` tokens that follow what `sequence` holds, room for which it has reserved.
  struct Part {
    KvSequence* sequence;
    std::int64_t count;
  };
  std::vector<std::int64_t> tokens;  ///< those of each part after another
  std::vector<Part> parts;
  std::vector<std::int64_t> wanted;  ///< places in `tokens` whose logits are wanted
  /// Of those it runs for, where they may be cancelled meanwhile.
  std::vector<const std::atomic<bool>*> cancelled;

  void add(KvSequence& sequence, std::span<const TokenId> ids);
  /// Asks for the logits of the token added last.
  void want_last() { wanted.push_back(static_cast<std::int64_t>(tokens.size()) - 1); }
  /// Called between the parts of a forward that take long. Throws: `cancelled` where all that it
  /// runs for are.
  void checkpoint() const;
  /// The place of each token in its sequence.
  std::vector<std::int64_t> positions() const;
};

/// A model's layers, ready to run. Immutable, so safe to share between threads.
class Decoder {
 public:
  virtual ~Decoder() = default;
  const ModelConfig& config() const noexcept { return config_; }

  /// Logits [wanted, vocab_size] f32; stores each token's keys and values, without advancing the
  /// sequences. Passes a checkpoint after each product of weights.
  virtual Tensor forward(const Batch& batch) const = 0;

 protected:
  explicit Decoder(ModelConfig config) : config_(std::move(config)) {}

 private:
  ModelConfig config_;
};

/// One entry of the table of architectures.
struct Architecture {
  std::string_view name;
  std::vector<std::string_view> aliases;  ///< as files name it, in GGUF and in config.json
  std::unique_ptr<const Decoder> (*load)(const ModelSource& source, Accuracy accuracy);
};

std::span<const Architecture> architectures();

/// Null where none has that alias.
const Architecture* find_architecture(std::string_view alias);

}  // namespace quern::models
