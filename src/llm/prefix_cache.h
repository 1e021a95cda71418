#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/cache/kv_cache.h"
#include "quern/tokenizer.h"

namespace quern::llm {

using models::KvPool;

/// Pages of keys and values kept for texts that begin alike. A page is found by all the tokens that
/// lead to it and its own, and by the tenant they belong to. One thread at a time.
class PrefixCache {
 public:
  using NodeId = std::uint64_t;  ///< never used again once its page is gone
  static constexpr NodeId kRoot = 0;

  struct Match {
    NodeId last = kRoot;  ///< the node of the last page
    std::vector<KvPool::Page> pages;
  };
  /// The longest kept beginning of `tokens`, in whole pages; marks it as used.
  Match find(std::string_view tenant, std::span<const TokenId> tokens);

  struct Kept {
    NodeId node;
    bool added;  ///< whether the page is kept; false where its like is kept already
  };
  /// Keeps a page with the keys and values of `tokens`, one page of them, after those of `parent`.
  /// Gives kRoot where `parent` is gone meanwhile.
  Kept keep(std::string_view tenant, NodeId parent, std::span<const TokenId> tokens,
            const KvPool::Page& page);

  /// Lets go of the least recently used page that no sequence uses and that no other follows.
  /// False where there is none.
  bool evict();
  std::int64_t pages() const noexcept { return static_cast<std::int64_t>(nodes_.size()); }

 private:
  struct Node {
    std::string key;
    NodeId parent;
    std::int64_t children;
    KvPool::Page page;
    std::list<NodeId>::iterator use;
  };

  NodeId lookup(std::string_view tenant, NodeId parent, std::span<const TokenId> tokens) const;
  void touch(NodeId node);

  std::unordered_map<std::string, NodeId> ids_;
  std::unordered_map<NodeId, Node> nodes_;
  std::list<NodeId> uses_;  // the latest first; what follows a page never before it
  NodeId next_ = kRoot + 1;
};

}  // namespace quern::llm
