#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "models/cache/cache_layout.h"

namespace quern::models {

/// Lends pages of what a decoder's layers keep, each for `kPageTokens` tokens in all layers, and
/// takes them back when their last owner lets go. Thread-safe.
class KvPool {
 public:
  using Page = std::shared_ptr<std::byte>;
  static constexpr std::int64_t kPageTokens = 64;

  /// Throws: `invalid_argument` for a layer that shares with none before it.
  explicit KvPool(const CacheLayout& layout);

  /// Throws: `out_of_memory`.
  Page take();

  /// What layer `index` keeps, or the layer that it shares with. Throws: `internal` for one that
  /// keeps nothing.
  const KeysAndValues& layer(std::int64_t index) const;
  /// The part of a page that belongs to layer `index`.
  std::byte* part(const Page& page, std::int64_t index) const;
  std::int64_t bytes_per_page() const noexcept { return bytes_per_page_; }

 private:
  struct FreeList {
    std::mutex mutex;
    std::vector<std::shared_ptr<std::byte>> pages;
  };
  struct Place {
    KeysAndValues kept;
    std::int64_t offset = 0;
  };

  std::vector<std::optional<Place>> layers_;
  std::int64_t bytes_per_page_ = 0;
  std::shared_ptr<FreeList> free_;
};

/// What a decoder keeps of one sequence of tokens, in pages of its own but for those adopted.
/// Movable. How its functions follow each other, `Decoder` says.
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
  /// Says how many tokens an empty sequence may come to hold. What it holds was made for
  /// that, so one that is not empty keeps its plan.
  void plan(std::int64_t length) noexcept {
    if (length_ == 0) planned_ = length;
  }
  /// What was planned, or, without a plan, what it holds once `count` tokens are added.
  std::int64_t planned_length(std::int64_t count) const noexcept {
    return planned_ > 0 ? planned_ : length_ + count;
  }
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
  std::int64_t planned_ = 0;
};

}  // namespace quern::models
