#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "backend/operation.h"
#include "core/buffer.h"
#include "core/runtime.h"
#include "ops/constant_weight.h"

namespace quern::ops {

/// An operation on a constant weight, and the weight as it wants it; no operation where oneDNN has
/// none.
struct Prepared {
  backend::OperationPtr operation;
  std::shared_ptr<const std::byte> weights;
};

/// The operations last used with one weight, each for one signature of what they are given.
/// Bounded; thread-safe.
template <class Signature>
class PreparedCache {
 public:
  /// `prepare()` gives the operation, which takes `weight` in `dtype`.
  template <class Prepare>
  Prepared find_or_prepare(const Signature& signature, ConstantWeight& weight, DType dtype,
                           const Prepare& prepare) {
    const Key key{signature, thread_count()};
    {
      const std::scoped_lock lock(mutex_);
      const auto found = std::ranges::find(recent_, key, &std::pair<Key, Prepared>::first);
      if (found != recent_.end()) {
        std::rotate(recent_.begin(), found, found + 1);
        return recent_.front().second;
      }
    }
    const BufferScope heap(nullptr);  // what is prepared here outlives the caller's work
    Prepared made{prepare(), nullptr};
    if (made.operation) made.weights = weight.packed_for(made.operation, dtype);
    const std::scoped_lock lock(mutex_);
    recent_.emplace(recent_.begin(), key, made);
    if (recent_.size() > kCapacity) recent_.pop_back();
    return made;
  }

 private:
  static constexpr std::size_t kCapacity = 8;  // most programs use few shapes

  struct Key {
    Signature signature;
    int threads;
    bool operator==(const Key&) const = default;
  };

  std::mutex mutex_;
  std::vector<std::pair<Key, Prepared>> recent_;  // most recently used first
};

}  // namespace quern::ops
