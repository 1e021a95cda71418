#include <doctest/doctest.h>

#include <chrono>
#include <random>
#include <vector>

#include "tokenizer/bpe.h"

namespace quern::tokenizer {
namespace {

/// Rules that merge pairs of the tokens 0 to 3, and some of what they become, in a random order.
MergeTable random_rules(std::mt19937& random) {
  MergeTable rules;
  for (std::uint32_t rank = 0; rank < 40; ++rank) {
    const auto token = [&] { return static_cast<TokenId>(random() % (4 + rank)); };
    rules.insert(token(), token(), {rank, static_cast<TokenId>(4 + rank)});
  }
  return rules;
}

std::vector<Symbol> random_word(std::mt19937& random, std::size_t size) {
  std::vector<Symbol> symbols(size);
  for (std::size_t i = 0; i < size; ++i) {
    symbols[i] = {static_cast<TokenId>(random() % 4), static_cast<std::uint32_t>(i), 1};
  }
  return symbols;
}

/// The definition: the best pair of all, leftmost among equals, until there is none.
std::vector<TokenId> merged_one_by_one(std::vector<Symbol> symbols, const MergeTable& rules) {
  for (;;) {
    Merge best;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const Merge merge = rules.find(symbols[i].id, symbols[i + 1].id);
      if (merge.rank < best.rank) best = merge, place = i;
    }
    if (best.rank == kNoRank) break;
    symbols[place].id = best.id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
  std::vector<TokenId> ids;
  for (const Symbol& symbol : symbols) ids.push_back(symbol.id);
  return ids;
}

TEST_CASE("merging gives the same as merging one pair after another, in short words and long") {
  std::mt19937 random(7);
  Merger merger;
  for (int round = 0; round < 400; ++round) {
    const MergeTable rules = random_rules(random);
    const auto word = random_word(random, random() % 90);
    merger.symbols = word;
    merger.run([&](const Symbol& a, const Symbol& b) { return rules.find(a.id, b.id); });
    std::vector<TokenId> ids;
    std::uint32_t end = 0;
    for (const Symbol& symbol : merger.symbols) {
      CHECK(symbol.begin == end);
      end += symbol.size;
      ids.push_back(symbol.id);
    }
    CHECK(end == word.size());
    REQUIRE(ids == merged_one_by_one(word, rules));
  }
}

TEST_CASE("a merge table keeps the first of two rules for a pair, however many there are") {
  MergeTable rules;
  CHECK(rules.find(1, 2).rank == kNoRank);
  for (TokenId i = 0; i < 5000; ++i) rules.insert(i, i * 7, {static_cast<std::uint32_t>(i), i});
  rules.insert(3, 21, {9, 9});
  for (TokenId i = 0; i < 5000; ++i) {
    CHECK(rules.find(i, i * 7).id == i);
    CHECK(rules.find(i * 7 + 1, i).rank == kNoRank);
  }
  CHECK(rules.find(kNoToken, kNoToken).rank == kNoRank);
}

}  // namespace
}  // namespace quern::tokenizer
