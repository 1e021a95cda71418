#pragma once

#include <cstdint>
#include <vector>

#include "quern/tensor.h"

namespace quern::ops {

/// How a node compares a feature with its threshold to go to `yes`.
enum class Branch : std::uint8_t { leq, lt, gte, gt, eq, neq };

/// What the leaves that a row reaches are made into, for each target.
enum class Aggregate : std::uint8_t { sum, average, min, max };

struct TreeNode {
  double threshold = 0;
  std::int32_t feature = 0;
  std::int32_t yes = 0;  ///< a node, or the leaf ~yes where negative
  std::int32_t no = 0;
  Branch branch = Branch::leq;
  bool nan_goes_yes = false;  ///< where the feature is NaN
};

/// What a leaf gives to one target.
struct LeafVote {
  std::int32_t leaf = 0;
  std::int32_t target = 0;
  float weight = 0;
};

struct TreeParts {
  std::vector<TreeNode> nodes;
  std::vector<std::int32_t> roots;  ///< a node, or a leaf where negative, for each tree
  std::int32_t leaves = 0;
  std::vector<LeafVote> votes;  ///< in any order
  std::int32_t targets = 1;
  std::vector<float> base;  ///< added to each target; empty: 0
  Aggregate aggregate = Aggregate::sum;
};

/// Decision trees over rows of features, flattened.
///
/// Immutable, so safe to share between threads.
class TreeEnsemble {
 public:
  /// Throws: `corrupt_file` for places outside and for nodes that lead back to themselves.
  explicit TreeEnsemble(TreeParts parts);

  /// x [rows, features] numeric -> f32 [rows, targets]. Throws: `invalid_argument` where a tree
  /// asks for a feature that x lacks.
  Tensor run(const Tensor& x) const;

 private:
  void check() const;
  void sort_votes();
  template <class T>
  std::int32_t leaf_of(std::int32_t root, const T* row) const;
  template <class T>
  void run_row(const T* row, float* y, std::vector<char>& voted) const;

  TreeParts parts_;
  std::vector<std::int32_t> first_vote_;  // the votes of leaf i are [i], [i + 1)
  std::int32_t features_ = 0;
};

}  // namespace quern::ops
