#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "models/cache/kv_cache.h"

namespace quern::models {

/// New tokens of one or more sequences, to run through a decoder at once.
struct Batch {
  /// `count` tokens that follow what `sequence` holds, room for which it has reserved; or, where
  /// that is null, a text of so many tokens of which nothing is kept.
  struct Part {
    KvSequence* sequence;
    std::int64_t count;
  };
  std::vector<std::int64_t> tokens;  ///< those of each part after another
  std::vector<Part> parts;
  std::vector<std::int64_t> wanted;  ///< places in `tokens` whose hidden states are wanted
  /// Of those it runs for, where they may be cancelled meanwhile.
  std::vector<const std::atomic<bool>*> cancelled;

  void add(KvSequence& sequence, std::span<const std::int32_t> ids);
  /// A text of its own, all of whose hidden states are wanted.
  void add_text(std::span<const std::int32_t> ids);
  /// Asks for the hidden states of the token added last.
  void want_last() { wanted.push_back(static_cast<std::int64_t>(tokens.size()) - 1); }
  /// Called between the parts of a forward that take long. Throws: `cancelled` where all that it
  /// runs for are.
  void checkpoint() const;
  /// The place of each token in its sequence.
  std::vector<std::int64_t> positions() const;
};

/// The places of a part's tokens in its sequence.
std::vector<std::int64_t> positions_of(const Batch::Part& part);

}  // namespace quern::models
