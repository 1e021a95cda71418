#include "models/cache/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "core/buffer.h"

namespace quern::models {

KvPool::KvPool(std::int64_t layers, const ops::KvLayout& layout)
    : layers_(layers), layout_(layout), free_(std::make_shared<FreeList>()) {}

KvPool::Page KvPool::take() {
  std::shared_ptr<std::byte> memory;
  {
    const std::scoped_lock lock(free_->mutex);
    if (!free_->pages.empty()) {
      memory = std::move(free_->pages.back());
      free_->pages.pop_back();
    }
  }
  if (!memory) {
    const auto bytes = static_cast<std::size_t>(bytes_per_page());
    memory = allocate_buffer(bytes);
    std::memset(memory.get(), 0, bytes);
  }
  std::byte* data = memory.get();
  return {data, [memory = std::move(memory), list = std::weak_ptr(free_)](std::byte*) mutable {
            const auto pool = list.lock();
            if (!pool) return;
            const std::scoped_lock lock(pool->mutex);
            constexpr std::size_t kKept = 64;  // pages worth keeping for the next request
            if (pool->pages.size() < kKept) pool->pages.push_back(std::move(memory));
          }};
}

std::byte* KvPool::layer(const Page& page, std::int64_t index) const {
  return page.get() + index * layout_.page_bytes();
}

void KvSequence::adopt(std::vector<KvPool::Page> pages) {
  pages_ = std::move(pages);
  length_ = std::ssize(pages_) * ops::KvLayout::kTokens;
}

void KvSequence::reserve(std::int64_t count) {
  const auto wanted = static_cast<std::size_t>((length_ + count + ops::KvLayout::kTokens - 1) /
                                               ops::KvLayout::kTokens);
  const std::size_t before = pages_.size();
  try {
    while (pages_.size() < wanted) pages_.push_back(pool_->take());
  } catch (...) {
    pages_.resize(before);
    throw;
  }
}

void KvSequence::truncate(std::int64_t length) {
  length_ = std::min(length, length_);
  pages_.resize(
      static_cast<std::size_t>((length_ + ops::KvLayout::kTokens - 1) / ops::KvLayout::kTokens));
}

std::vector<std::byte*> KvSequence::layer(std::int64_t index) const {
  std::vector<std::byte*> views;
  views.reserve(pages_.size());
  for (const KvPool::Page& page : pages_) views.push_back(pool_->layer(page, index));
  return views;
}

}  // namespace quern::models
