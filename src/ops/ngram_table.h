#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "quern/ops/text.h"

namespace quern::ops {

/// A vocabulary made ready to count: a tree in which every path from the root spells a gram.
///
/// Immutable, so safe to share between threads.
class NgramTable {
 public:
  /// Throws: `invalid_argument` for starts, places or lengths that do not fit.
  NgramTable(const NgramVocabulary& vocabulary, const NgramOptions& options);

  /// As count_ngrams.
  Tensor count(const Tensor& x) const;
  /// Places of a result.
  std::int64_t size() const noexcept { return size_; }

 private:
  struct Edge {
    std::int64_t node, token;
    bool operator==(const Edge&) const = default;
  };
  struct EdgeHash {
    std::size_t operator()(const Edge& edge) const noexcept;
  };

  void add_grams_of(std::int64_t length, std::int64_t begin, std::int64_t end,
                    const std::vector<std::int64_t>& places);
  void count_row(const std::int64_t* row, std::int64_t size, float* counts) const;

  NgramOptions options_;
  Tensor tokens_;                  // of the vocabulary
  std::vector<std::int64_t> ids_;  // of tokens_: equal tokens have one
  std::unordered_map<Edge, std::int64_t, EdgeHash> next_;
  std::vector<std::int64_t> place_;  // by node; -1: no gram ends here
  std::int64_t size_ = 0;
};

}  // namespace quern::ops
