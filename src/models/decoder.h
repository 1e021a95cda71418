#pragma once

#include <cstdint>

#include "models/batch.h"
#include "models/cache/cache_layout.h"
#include "quern/tensor.h"

namespace quern::models {

/// What those who run a decoder need to know of it.
struct DecoderInfo {
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t context_length = 0;
  CacheLayout cache = {};
  std::int64_t largest_product = 0;  ///< multiplications for a token in the largest of its products
  std::int64_t attention_width = 0;  ///< elements of all heads of a token, in the widest layer
};

/// A network that reads tokens of sequences and tells what may follow: hidden states, and from them
/// logits. Immutable, so safe to share between threads.
///
/// What a step promises, in this order:
/// - `KvSequence::reserve(n)` makes room for n tokens more, or throws and changes nothing. Room
/// made
///   stays until it is used or truncated; to reserve again makes only what is missing.
/// - `hidden` of a batch writes what its tokens leave behind (keys, values, states) into that room
///   and nowhere else, so that what the sequences hold is as before: where it throws, or its result
///   is not wanted, the same step may run once more, or another one. It does not change lengths,
///   and a batch has each sequence once.
/// - `KvSequence::advance(n)` makes that part of the sequence; it does not throw.
/// Whoever holds a sequence calls these, one thread at a time; different sequences share nothing
/// that is written, also where they have common pages.
class Decoder {
 public:
  virtual ~Decoder() = default;
  const DecoderInfo& info() const noexcept { return info_; }

  /// Hidden states [wanted, hidden_size] f32, after the last norm, of the places wanted. Passes a
  /// checkpoint after each product of weights.
  virtual Tensor hidden(const Batch& batch) const = 0;
  /// Logits [rows, vocab_size] f32 of hidden states [rows, hidden_size].
  virtual Tensor logits(const Tensor& hidden) const = 0;
  /// Logits [wanted, vocab_size] of a batch.
  Tensor forward(const Batch& batch) const { return logits(hidden(batch)); }

  /// Sequences may share what is kept of equal tokens only where this gives the same for the
  /// lengths they are planned for (`KvSequence::plan`): some positions are told apart by how long
  /// the text may come to be.
  virtual std::int64_t kind_of_length(std::int64_t /*planned*/) const { return 0; }

 protected:
  explicit Decoder(DecoderInfo info) : info_(std::move(info)) {}

 private:
  DecoderInfo info_;
};

}  // namespace quern::models
