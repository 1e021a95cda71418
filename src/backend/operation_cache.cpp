#include "backend/operation_cache.h"

namespace quern::backend {

OperationPtr OperationCache::find_or_add(const OperationKey& key,
                                         const std::function<OperationPtr()>& make) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = index_.find(key.bytes());
    if (found != index_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->operation;
    }
  }
  OperationPtr made = make();
  const std::scoped_lock lock(mutex_);
  const auto found = index_.find(key.bytes());
  if (found != index_.end()) return found->second->operation;
  recent_.push_front({key.bytes(), made});
  index_.emplace(recent_.front().key, recent_.begin());
  if (recent_.size() > capacity_) {
    index_.erase(recent_.back().key);
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
