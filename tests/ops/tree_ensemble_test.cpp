#include "ops/tree_ensemble.h"

#include <doctest/doctest.h>

#include "support/error_code.h"

namespace quern::ops {
namespace {

TreeParts stump() {
  TreeParts parts;
  parts.nodes = {{.threshold = 0.5, .feature = 1, .yes = ~0, .no = ~1}};
  parts.roots = {0};
  parts.leaves = 2;
  parts.votes = {{.leaf = 0, .target = 0, .weight = 3.f}, {.leaf = 1, .target = 0, .weight = 7.f}};
  return parts;
}

TEST_CASE("a tree sends each row to the leaf of its feature") {
  const Tensor x = Tensor::from({9.f, 0.5f, 9.f, 0.6f, 9.f, -1.f}, {3, 2});
  const Tensor y = TreeEnsemble(stump()).run(x);
  CHECK(y.shape() == Shape{3, 1});
  CHECK(y.at<float>({0, 0}) == 3.f);
  CHECK(y.at<float>({1, 0}) == 7.f);
  CHECK(y.at<float>({2, 0}) == 3.f);
}

TEST_CASE("nodes that lead back to themselves are refused") {
  TreeParts parts = stump();
  parts.nodes.push_back({.feature = 0, .yes = 0, .no = ~0});
  parts.nodes[0].no = 1;
  CHECK(code_of([&] { TreeEnsemble{parts}; }) == ErrorCode::corrupt_file);
  parts.nodes[1].yes = 1;
  CHECK(code_of([&] { TreeEnsemble{parts}; }) == ErrorCode::corrupt_file);
}

TEST_CASE("branches, leaves and targets outside a tree are refused") {
  TreeParts far_node = stump();
  far_node.nodes[0].yes = 1;
  CHECK(code_of([&] { TreeEnsemble{far_node}; }) == ErrorCode::corrupt_file);
  TreeParts far_leaf = stump();
  far_leaf.nodes[0].no = ~2;
  CHECK(code_of([&] { TreeEnsemble{far_leaf}; }) == ErrorCode::corrupt_file);
  TreeParts far_target = stump();
  far_target.votes[0].target = 1;
  CHECK(code_of([&] { TreeEnsemble{far_target}; }) == ErrorCode::corrupt_file);
}

TEST_CASE("a row with fewer features than a tree asks for is refused") {
  CHECK(code_of([&] {
          TreeEnsemble(stump()).run(Tensor::zeros({2, 1}));
        }) == ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace quern::ops
