#include "llm/prefix_cache.h"

#include <iterator>

namespace quern::llm {
namespace {

constexpr auto kPage = static_cast<std::size_t>(KvPool::kPageTokens);

/// The parent and the tokens have a fixed size, so that what follows, a first page's tenant, cannot
/// be taken for a part of them.
std::string key_of(std::string_view tenant, PrefixCache::NodeId parent,
                   std::span<const TokenId> tokens) {
  std::string key(reinterpret_cast<const char*>(&parent), sizeof parent);
  key.append(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes());
  if (parent == PrefixCache::kRoot) key += tenant;
  return key;
}

}  // namespace

PrefixCache::NodeId PrefixCache::lookup(std::string_view tenant, NodeId parent,
                                        std::span<const TokenId> tokens) const {
  const auto found = ids_.find(key_of(tenant, parent, tokens));
  return found == ids_.end() ? kRoot : found->second;
}

PrefixCache::Match PrefixCache::find(std::string_view tenant, std::span<const TokenId> tokens) {
  Match match;
  for (; tokens.size() >= kPage; tokens = tokens.subspan(kPage)) {
    const NodeId next = lookup(tenant, match.last, tokens.first(kPage));
    if (next == kRoot) break;
    match.last = next;
    match.pages.push_back(nodes_.at(next).page);
  }
  touch(match.last);
  return match;
}

PrefixCache::Kept PrefixCache::keep(std::string_view tenant, NodeId parent,
                                    std::span<const TokenId> tokens, const KvPool::Page& page) {
  if (parent != kRoot && !nodes_.contains(parent)) return {.node = kRoot, .added = false};
  if (const NodeId known = lookup(tenant, parent, tokens); known != kRoot) {
    touch(known);
    return {.node = known, .added = false};
  }
  const NodeId node = next_++;
  std::string key = key_of(tenant, parent, tokens);
  uses_.push_front(node);
  ids_.emplace(key, node);
  nodes_.emplace(node, Node{std::move(key), parent, 0, page, uses_.begin()});
  if (parent != kRoot) ++nodes_.at(parent).children;
  touch(node);
  return {.node = node, .added = true};
}

bool PrefixCache::evict() {
  for (auto use = uses_.rbegin(); use != uses_.rend(); ++use) {
    const auto found = nodes_.find(*use);
    const Node& node = found->second;
    if (node.children > 0 || node.page.use_count() > 1) continue;
    if (node.parent != kRoot) --nodes_.at(node.parent).children;
    ids_.erase(node.key);
    uses_.erase(std::next(use).base());
    nodes_.erase(found);
    return true;
  }
  return false;
}

void PrefixCache::touch(NodeId node) {
  while (node != kRoot) {
    Node& used = nodes_.at(node);
    uses_.splice(uses_.begin(), uses_, used.use);
    node = used.parent;
  }
}

}  // namespace quern::llm
