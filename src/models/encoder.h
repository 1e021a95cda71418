#pragma once

#include <cstdint>

#include "models/batch.h"
#include "quern/tensor.h"

namespace quern::models {

struct EncoderInfo {
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t context_length = 0;
};

/// A network that reads whole texts, of any lengths side by side, and keeps nothing of them: each
/// part of its batches is a text without a sequence. Immutable, so safe to share between threads.
class Encoder {
 public:
  virtual ~Encoder() = default;
  const EncoderInfo& info() const noexcept { return info_; }

  /// Hidden states [wanted, hidden_size] f32, after the last norm, of the places wanted. Passes a
  /// checkpoint after each product of weights.
  virtual Tensor hidden(const Batch& batch) const = 0;

 protected:
  explicit Encoder(const EncoderInfo& info) : info_(info) {}

 private:
  EncoderInfo info_;
};

}  // namespace quern::models
