#include "models/cache/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "core/buffer.h"
#include "core/error.h"
#include "ops/paged_attention.h"

namespace quern::models {

static_assert(KvPool::kPageTokens == ops::KvLayout::kTokens);

KvPool::KvPool(const CacheLayout& layout) : free_(std::make_shared<FreeList>()) {
  for (const LayerCache& layer : layout.layers) {
    std::optional<Place> place;
    if (const auto* own = std::get_if<KeysAndValues>(&layer)) {
      place = Place{*own, bytes_per_page_};
      bytes_per_page_ += ops::KvLayout{.heads = own->kv_heads,
                                       .kv_heads = own->kv_heads,
                                       .head_dim = own->head_dim,
                                       .dtype = own->dtype}
                             .page_bytes();
    } else if (const auto* shared = std::get_if<SharedCache>(&layer)) {
      require(0 <= shared->layer && shared->layer < std::ssize(layers_) &&
                  layers_[static_cast<std::size_t>(shared->layer)],
              "cache: layer {} shares with layer {}", layers_.size(), shared->layer);
      place = layers_[static_cast<std::size_t>(shared->layer)];
    }
    layers_.push_back(place);
  }
}

const KeysAndValues& KvPool::layer(std::int64_t index) const {
  const auto& place = layers_.at(static_cast<std::size_t>(index));
  if (!place) fail(ErrorCode::internal, "cache: layer {} keeps nothing", index);
  return place->kept;
}

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
    const auto bytes = static_cast<std::size_t>(bytes_per_page_);
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

std::byte* KvPool::part(const Page& page, std::int64_t index) const {
  return page.get() + layers_[static_cast<std::size_t>(index)]->offset;
}

void KvSequence::adopt(std::vector<KvPool::Page> pages) {
  pages_ = std::move(pages);
  length_ = std::ssize(pages_) * KvPool::kPageTokens;
}

void KvSequence::reserve(std::int64_t count) {
  const auto wanted =
      static_cast<std::size_t>((length_ + count + KvPool::kPageTokens - 1) / KvPool::kPageTokens);
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
      static_cast<std::size_t>((length_ + KvPool::kPageTokens - 1) / KvPool::kPageTokens));
}

std::vector<std::byte*> KvSequence::layer(std::int64_t index) const {
  std::vector<std::byte*> views;
  views.reserve(pages_.size());
  for (const KvPool::Page& page : pages_) views.push_back(pool_->part(page, index));
  return views;
}

}  // namespace quern::models
