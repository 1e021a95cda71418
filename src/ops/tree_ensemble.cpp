#include "ops/tree_ensemble.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"

namespace quern::ops {
namespace {

[[noreturn]] void fail_cycle(std::size_t node) {
  fail(ErrorCode::corrupt_file, "tree ensemble: node {} leads back to itself", node);
}

/// Visits every node below the roots once; a node found again while it is being visited is a cycle.
void check_acyclic(const std::vector<TreeNode>& nodes, const std::vector<std::int32_t>& roots) {
  enum class State : std::uint8_t { unseen, open, done };
  std::vector<State> states(nodes.size(), State::unseen);
  std::vector<std::int32_t> stack;
  for (const std::int32_t root : roots) {
    if (root >= 0) stack.push_back(root);
    while (!stack.empty()) {
      const auto at = static_cast<std::size_t>(stack.back());
      if (states[at] != State::unseen) {
        states[at] = State::done;
        stack.pop_back();
        continue;
      }
      states[at] = State::open;
      for (const std::int32_t child : {nodes[at].yes, nodes[at].no}) {
        if (child < 0) continue;
        const State state = states[static_cast<std::size_t>(child)];
        if (state == State::open) fail_cycle(at);
        if (state == State::unseen) stack.push_back(child);
      }
    }
  }
}

bool goes_yes(Branch branch, double value, double threshold) {
  switch (branch) {
    case Branch::leq:
      return value <= threshold;
    case Branch::lt:
      return value < threshold;
    case Branch::gte:
      return value >= threshold;
    case Branch::gt:
      return value > threshold;
    case Branch::eq:
      return value == threshold;
    case Branch::neq:
      return value != threshold;
  }
  return false;
}

}  // namespace

TreeEnsemble::TreeEnsemble(TreeParts parts) : parts_(std::move(parts)) {
  check();
  sort_votes();
  for (const TreeNode& node : parts_.nodes) features_ = std::max(features_, node.feature + 1);
}

void TreeEnsemble::check() const {
  const auto nodes = static_cast<std::int64_t>(parts_.nodes.size());
  const auto check_place = [&](std::int32_t place) {
    if (place >= nodes || ~place >= parts_.leaves)
      fail(ErrorCode::corrupt_file, "tree ensemble: a branch to {} of {} nodes, {} leaves", place,
           nodes, parts_.leaves);
  };
  for (const TreeNode& node : parts_.nodes) {
    check_place(node.yes);
    check_place(node.no);
    if (node.feature < 0 || node.feature == std::numeric_limits<std::int32_t>::max())
      fail(ErrorCode::corrupt_file, "tree ensemble: feature {}", node.feature);
  }
  std::ranges::for_each(parts_.roots, check_place);
  for (const LeafVote& vote : parts_.votes) {
    if (vote.leaf < 0 || vote.leaf >= parts_.leaves || vote.target < 0 ||
        vote.target >= parts_.targets)
      fail(ErrorCode::corrupt_file, "tree ensemble: leaf {} of {} votes for target {} of {}",
           vote.leaf, parts_.leaves, vote.target, parts_.targets);
  }
  const auto base = static_cast<std::int64_t>(parts_.base.size());
  if (base != 0 && base != parts_.targets)
    fail(ErrorCode::corrupt_file, "tree ensemble: {} base values for {} targets", base,
         parts_.targets);
  check_acyclic(parts_.nodes, parts_.roots);
}

void TreeEnsemble::sort_votes() {
  std::ranges::stable_sort(parts_.votes, {}, &LeafVote::leaf);
  first_vote_.assign(static_cast<std::size_t>(parts_.leaves) + 1, 0);
  for (const LeafVote& vote : parts_.votes) ++first_vote_[static_cast<std::size_t>(vote.leaf) + 1];
  for (std::size_t i = 1; i < first_vote_.size(); ++i) first_vote_[i] += first_vote_[i - 1];
}

template <class T>
std::int32_t TreeEnsemble::leaf_of(std::int32_t root, const T* row) const {
  const TreeNode* nodes = parts_.nodes.data();
  std::int32_t at = root;
  while (at >= 0) {
    const TreeNode& node = nodes[at];
    const auto value = static_cast<double>(row[node.feature]);
    const bool yes = node.branch == Branch::leq ? value <= node.threshold
                                                : goes_yes(node.branch, value, node.threshold);
    at = yes || (node.nan_goes_yes && std::isnan(value)) ? node.yes : node.no;
  }
  return ~at;
}

template <class T>
void TreeEnsemble::run_row(const T* row, float* y, std::vector<char>& voted) const {
  std::ranges::fill(voted, 0);
  std::fill(y, y + parts_.targets, 0.f);
  for (const std::int32_t root : parts_.roots) {
    const auto leaf = static_cast<std::size_t>(leaf_of(root, row));
    for (std::int32_t i = first_vote_[leaf]; i < first_vote_[leaf + 1]; ++i) {
      const LeafVote& vote = parts_.votes[static_cast<std::size_t>(i)];
      float& target = y[vote.target];
      char& had = voted[static_cast<std::size_t>(vote.target)];
      if (parts_.aggregate == Aggregate::min && had != 0) {
        target = std::min(target, vote.weight);
      } else if (parts_.aggregate == Aggregate::max && had != 0) {
        target = std::max(target, vote.weight);
      } else {
        target += vote.weight;
      }
      had = 1;
    }
  }
  const auto trees = static_cast<float>(parts_.roots.size());
  for (std::int32_t i = 0; i < parts_.targets; ++i) {
    if (parts_.aggregate == Aggregate::average && trees > 0) y[i] /= trees;
    if (!parts_.base.empty()) y[i] += parts_.base[static_cast<std::size_t>(i)];
  }
}

Tensor TreeEnsemble::run(const Tensor& x) const {
  require(x.rank() == 2, "tree ensemble: expected [rows, features], got {}", x.shape());
  require(x.dim(1) >= features_, "tree ensemble: expected {} features or more, got {}", features_,
          x.shape());
  const std::int64_t rows = x.dim(0);
  Tensor y = Tensor::empty({rows, parts_.targets});
  float* results = y.mutable_data<float>().data();
  const auto run_rows = [&](const auto* features) {
    parallel_for(rows, 1 + 512 / static_cast<std::int64_t>(parts_.roots.size() + 1),
                 [&](std::int64_t begin, std::int64_t end) {
                   std::vector<char> voted(static_cast<std::size_t>(parts_.targets));
                   for (std::int64_t row = begin; row < end; ++row)
                     run_row(features + row * x.dim(1), results + row * parts_.targets, voted);
                 });
  };
  if (x.dtype() == DType::f64) {
    const Tensor dense = x.contiguous();
    run_rows(dense.data<double>().data());
  } else {
    const Tensor dense = x.cast(DType::f32).contiguous();
    run_rows(dense.data<float>().data());
  }
  return y;
}

}  // namespace quern::ops
