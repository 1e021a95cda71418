#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "ops/paged_attention.h"

namespace quern::models {

/// Lends pages of keys and values, each for KvLayout::kTokens tokens in all layers, and takes them
/// back when their last owner lets go. Thread-safe.
class KvPool {
 public:
  using Page = std::shared_ptr<std::byte>;

  KvPool(std::int64_t layers, const ops::KvLayout& layout);

  /// Throws: `out_of_memory`.
  Page take();

  /// The part of a page that belongs to layer `index`.
  std::byte* layer(const Page& page, std::int64_t index) const;
  const ops::KvLayout& layout() const noexcept { return layout_; }
  std::int64_t bytes_per_page() const { return layers_ * layout_.page_bytes(); }

 private:
  struct FreeList {
    std::mutex mutex;
    std::vector<std::shared_ptr<std::byte>> pages;
  };

  std::int64_t layers_;
  ops::KvLayout layout_;
  std::shared_ptr<FreeList> free_;
};

/// The keys and values of one sequence of tokens, in pages of its own but for those adopted.
/// Movable.
class KvSequence {
 public:
  explicit KvSequence(std::shared_ptr<KvPool> pool) : pool_(std::move(pool)) {}
  KvSequence(const KvSequence&) = delete;
  KvSequence& operator=(const KvSequence&) = delete;
  KvSequence(KvSequence&&) = default;
  KvSequence& operator=(KvSequence&&) = default;

  std::int64_t length() const noexcept { return length_; }
  /// Begins an empty sequence with full pages, which others may hold too and none writes to.
  void adopt(std::vector<KvPool::Page> pages);
  /// Makes room for `count` more tokens. Throws: `out_of_memory`, and then nothing changes.
  void reserve(std::int64_t count);
  /// Counts `count` tokens, stored by every layer in the room made, as part of the sequence.
  void advance(std::int64_t count) noexcept { length_ += count; }
  /// Forgets all but the first `length` tokens.
  void truncate(std::int64_t length);

  const KvPool::Page& page(std::int64_t index) const {
    return pages_[static_cast<std::size_t>(index)];
  }
  const KvPool& pool() const noexcept { return *pool_; }
  /// The pages as layer `index` sees them.
  std::vector<std::byte*> layer(std::int64_t index) const;

 private:
  std::shared_ptr<KvPool> pool_;
  std::vector<KvPool::Page> pages_;
  std::int64_t length_ = 0;
};

}  // namespace quern::models
