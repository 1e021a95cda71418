#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace quern::tokenizer {

inline constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();

/// What two neighbours become, and how soon: the lowest rank is merged first.
struct Merge {
  std::uint32_t rank = kNoRank;
  TokenId id = kNoToken;
};

/// The merge rules of a vocabulary: a pair of tokens to what they become.
class MergeTable {
 public:
  void reserve(std::size_t count);
  /// The first rule for a pair stays.
  void insert(TokenId left, TokenId right, Merge merge);
  /// Rank kNoRank where there is no rule, as for kNoToken.
  Merge find(TokenId left, TokenId right) const noexcept;

 private:
  struct Slot {
    TokenId left = kNoToken;
    TokenId right = kNoToken;
    Merge merge;
  };
  std::size_t slot_of(TokenId left, TokenId right) const noexcept;

  std::vector<Slot> slots_;  // open addressing; a power of two, at most half full
  std::size_t used_ = 0;
};

/// A piece of a word: bytes [begin, begin + size), and its token or kNoToken.
struct Symbol {
  TokenId id = kNoToken;
  std::uint32_t begin = 0;
  std::uint32_t size = 0;
};

/// Byte pair merging of one word after another; holds the buffers between words. Not for several
/// threads.
class Merger {
 public:
  /// The symbols of the word: filled by the caller, left merged by `run`.
  std::vector<Symbol> symbols;

  /// Merges neighbours, lowest rank first and leftmost among equals, until no rule applies.
  /// `rule(left, right)` gives the Merge of two symbols. O(n log n) for n symbols.
  template <class Rule>
  void run(const Rule& rule) {
    if (symbols.size() <= kShort) {
      run_short(rule);
    } else {
      run_long(rule);
    }
  }

 private:
  static constexpr std::size_t kShort = 24;

  struct Candidate {
    Merge merge;
    std::uint32_t left = 0;
    std::uint32_t size = 0;  // of both symbols: tells whether either has changed since
    bool operator<(const Candidate& other) const noexcept {
      return merge.rank != other.merge.rank ? merge.rank > other.merge.rank : left > other.left;
    }
  };

  template <class Rule>
  void run_short(const Rule& rule);
  template <class Rule>
  void run_long(const Rule& rule);

  std::vector<Candidate> heap_;
  std::vector<std::uint32_t> next_, previous_;
};

template <class Rule>
void Merger::run_short(const Rule& rule) {
  std::size_t count = symbols.size();
  if (count < 2) return;
  std::array<Merge, kShort> merges;
  for (std::size_t i = 0; i + 1 < count; ++i) merges[i] = rule(symbols[i], symbols[i + 1]);
  for (;;) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (count < 2 || merges[best].rank == kNoRank) break;
    symbols[best].id = merges[best].id;
    symbols[best].size += symbols[best + 1].size;
    --count;
    for (std::size_t i = best + 1; i < count; ++i) {
      symbols[i] = symbols[i + 1];
      merges[i - 1] = merges[i];
    }
    if (best > 0) merges[best - 1] = rule(symbols[best - 1], symbols[best]);
    if (best + 1 < count) merges[best] = rule(symbols[best], symbols[best + 1]);
  }
  symbols.resize(count);
}

template <class Rule>
void Merger::run_long(const Rule& rule) {
  const auto count = static_cast<std::uint32_t>(symbols.size());
  heap_.clear();
  next_.resize(count);
  previous_.resize(count);
  const auto propose = [&](std::uint32_t left, std::uint32_t right) {
    const Merge merge = rule(symbols[left], symbols[right]);
    if (merge.rank == kNoRank) return false;
    heap_.push_back({merge, left, symbols[left].size + symbols[right].size});
    return true;
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    next_[i] = i + 1;
    previous_[i] = i - 1;
    if (i + 1 < count) propose(i, i + 1);
  }
  std::make_heap(heap_.begin(), heap_.end());
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Candidate best = heap_.back();
    heap_.pop_back();
    Symbol& left = symbols[best.left];
    const std::uint32_t right = next_[best.left];
    if (left.size == 0 || right >= count || left.size + symbols[right].size != best.size) continue;
    left.id = best.merge.id;
    left.size = best.size;
    symbols[right].size = 0;
    next_[best.left] = next_[right];
    if (next_[right] < count) previous_[next_[right]] = best.left;
    if (best.left > 0 && propose(previous_[best.left], best.left)) {
      std::push_heap(heap_.begin(), heap_.end());
    }
    if (next_[best.left] < count && propose(best.left, next_[best.left])) {
      std::push_heap(heap_.begin(), heap_.end());
    }
  }
  std::erase_if(symbols, [](const Symbol& symbol) { return symbol.size == 0; });
}

}  // namespace quern::tokenizer
