#include "backend/operation_cache.h"

#include <algorithm>
#include <utility>

namespace quern::backend {

bool OperationCache::KeyView::operator==(const KeyView& other) const noexcept {
  return hash == other.hash && std::ranges::equal(words, other.words);
}

std::optional<OperationPtr> OperationCache::find(const OperationKey& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = index_.find({key.words(), key.hash()});
  if (found == index_.end()) return std::nullopt;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->operation;
}

OperationPtr OperationCache::add(const OperationKey& key, OperationPtr made) {
  const std::scoped_lock lock(mutex_);
  const auto found = index_.find({key.words(), key.hash()});
  if (found != index_.end()) return found->second->operation;
  recent_.push_front({{key.words().begin(), key.words().end()}, key.hash(), made});
  index_.emplace(recent_.front().key(), recent_.begin());
  if (recent_.size() > capacity_) {
    index_.erase(recent_.back().key());
    recent_.pop_back();
  }
  return made;
}

std::size_t OperationCache::size() const {
  const std::scoped_lock lock(mutex_);
  return recent_.size();
}

OperationCache& operation_cache() {
  constexpr std::size_t kCapacity = 1024;
  static OperationCache cache(kCapacity);
  return cache;
}

}  // namespace quern::backend
