#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "backend/operation.h"
#include "core/buffer.h"
#include "core/runtime.h"

namespace quern::ops {

/// An operation on a constant weight, and the weight as it wants it; no operation where oneDNN has
/// none.
struct Prepared {
  backend::OperationPtr operation;
  std::shared_ptr<const std::byte> weights;
};

/// The operations last used with one weight, each for one signature of what they are given; those
/// that want the weight alike share it. Bounded; thread-safe.
template <class Signature>
class PreparedCache {
 public:
  /// `prepare()` gives the operation; `weight()` the plain dense weight, asked for where no
  /// operation that is known has packed it yet.
  template <class Prepare, class PlainWeight>
  Prepared find_or_prepare(const Signature& signature, const Prepare& prepare,
                           const PlainWeight& weight) {
    const Key key{signature, thread_count()};
    {
      const std::scoped_lock lock(mutex_);
      const auto found = std::ranges::find(recent_, key, &std::pair<Key, Prepared>::first);
      if (found != recent_.end()) {
        std::rotate(recent_.begin(), found, found + 1);
        return recent_.front().second;
      }
    }
    const BufferScope heap(nullptr);  // what is packed here outlives the caller's work
    Prepared made{prepare(), nullptr};
    if (made.operation) made.weights = packed_alike(*made.operation);
    if (made.operation && !made.weights) made.weights = made.operation->pack(weight().raw());
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

  std::shared_ptr<const std::byte> packed_alike(const backend::Operation& operation) {
    const std::scoped_lock lock(mutex_);
    for (const auto& [key, other] : recent_) {
      if (other.operation && operation.packs_as(*other.operation)) return other.weights;
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::vector<std::pair<Key, Prepared>> recent_;  // most recently used first
};

}  // namespace quern::ops
