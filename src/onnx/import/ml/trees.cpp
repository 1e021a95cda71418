#include <algorithm>
#include <cmath>
#include <map>

#include "core/format.h"
#include "onnx/import/import.h"
#include "onnx/import/ml/scores.h"
#include "ops/tree_ensemble.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using ops::Aggregate;
using ops::Branch;
using ops::LeafVote;
using ops::TreeEnsemble;
using ops::TreeNode;
using ops::TreeParts;

/// Numbers given as floats `name`, or as tensor `name`_as_tensor.
std::vector<double> numbers(const Node& node, const std::string& name) {
  const auto tensor = node.attributes.find<Tensor>(name + "_as_tensor");
  if (!tensor) {
    const auto floats = list<float>(node, name);
    return {floats.begin(), floats.end()};
  }
  const Tensor wide = tensor->cast(DType::f64).contiguous();
  const auto data = wide.data<double>();
  return {data.begin(), data.end()};
}

template <class List>
void check_length(const char* name, const List& values, std::size_t expected) {
  if (values.size() != expected)
    fail(ErrorCode::corrupt_file, "{} has {} elements, expected {}", name, values.size(), expected);
}

std::int32_t place(std::int64_t value, std::int64_t bound, const char* what) {
  if (value < 0 || value >= bound)
    fail(ErrorCode::corrupt_file, "{} is {}, expected 0 to {}", what, value, bound - 1);
  return static_cast<std::int32_t>(value);
}

constexpr std::int64_t kMostFeatures = (std::int64_t{1} << 31) - 1;

// ---- TreeEnsembleClassifier, TreeEnsembleRegressor: nodes by tree and number ----

/// A node of a tree as those operators name it.
using NodeName = std::pair<std::int64_t, std::int64_t>;

class NodeTable {
 public:
  explicit NodeTable(const Node& node) {
    const auto trees = node.attributes.ints("nodes_treeids");
    const auto ids = node.attributes.ints("nodes_nodeids");
    modes_ = list<std::string>(node, "nodes_modes");
    check_length("nodes_nodeids", ids, trees.size());
    check_length("nodes_modes", modes_, trees.size());
    for (std::size_t i = 0; i < trees.size(); ++i) {
      names_.emplace_back(trees[i], ids[i]);
      const bool is_leaf = modes_[i] == "LEAF";
      const std::int32_t index = is_leaf ? ~parts.leaves++ : branches_++;
      if (!places_.emplace(names_.back(), index).second)
        fail(ErrorCode::corrupt_file, "node {} of tree {} is there twice", ids[i], trees[i]);
    }
    add_branches(node);
  }

  std::int32_t find(NodeName name) const {
    const auto found = places_.find(name);
    if (found == places_.end())
      fail(ErrorCode::corrupt_file, "tree {} has no node {}", name.first, name.second);
    return found->second;
  }

  /// Adds what leaves give: attributes PREFIX_treeids, _nodeids, _ids and _weights.
  void add_votes(const Node& node, const std::string& prefix) {
    const auto trees = node.attributes.ints(prefix + "_treeids");
    const auto ids = node.attributes.ints(prefix + "_nodeids");
    const auto targets = node.attributes.ints(prefix + "_ids");
    const auto weights = numbers(node, prefix + "_weights");
    check_length("leaf node ids", ids, trees.size());
    check_length("leaf target ids", targets, trees.size());
    check_length("leaf weights", weights, trees.size());
    for (std::size_t i = 0; i < trees.size(); ++i) {
      const std::int32_t leaf = find({trees[i], ids[i]});
      if (leaf >= 0)
        fail(ErrorCode::corrupt_file, "node {} of tree {} votes and is no leaf", ids[i], trees[i]);
      parts.votes.push_back(
          {~leaf, place(targets[i], parts.targets, "a target"), static_cast<float>(weights[i])});
    }
    for (const double value : numbers(node, "base_values"))
      parts.base.push_back(static_cast<float>(value));
  }

  TreeParts parts;

 private:
  void add_branches(const Node& node) {
    const auto features = node.attributes.ints("nodes_featureids");
    const auto yes = node.attributes.ints("nodes_truenodeids");
    const auto no = node.attributes.ints("nodes_falsenodeids");
    const auto values = numbers(node, "nodes_values");
    const auto nan_goes_yes = node.attributes.ints("nodes_missing_value_tracks_true");
    check_length("nodes_featureids", features, names_.size());
    check_length("nodes_truenodeids", yes, names_.size());
    check_length("nodes_falsenodeids", no, names_.size());
    check_length("nodes_values", values, names_.size());
    if (!nan_goes_yes.empty())
      check_length("nodes_missing_value_tracks_true", nan_goes_yes, names_.size());
    std::map<std::int64_t, std::int32_t> roots;  // nodes that no other leads to, by tree
    std::map<NodeName, bool> has_parent;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (modes_[i] == "LEAF") continue;
      const NodeName yes_name{names_[i].first, yes[i]};
      const NodeName no_name{names_[i].first, no[i]};
      parts.nodes.push_back({values[i], place(features[i], kMostFeatures, "a feature"),
                             find(yes_name), find(no_name), branch_of(modes_[i]),
                             !nan_goes_yes.empty() && nan_goes_yes[i] != 0});
      has_parent[yes_name] = has_parent[no_name] = true;
    }
    for (const NodeName& name : names_) {
      if (has_parent.contains(name)) continue;
      if (!roots.emplace(name.first, find(name)).second)
        fail(ErrorCode::corrupt_file, "tree {} has two roots", name.first);
    }
    for (const NodeName& name : names_) {
      if (!roots.contains(name.first))
        fail(ErrorCode::corrupt_file, "tree {} leads back to its root", name.first);
    }
    for (const auto& [tree, root] : roots) parts.roots.push_back(root);
  }

  static Branch branch_of(const std::string& mode) {
    constexpr std::pair<std::string_view, Branch> kModes[] = {
        {"BRANCH_LEQ", Branch::leq}, {"BRANCH_LT", Branch::lt}, {"BRANCH_GTE", Branch::gte},
        {"BRANCH_GT", Branch::gt},   {"BRANCH_EQ", Branch::eq}, {"BRANCH_NEQ", Branch::neq}};
    const auto* found =
        std::ranges::find_if(kModes, [&](const auto& row) { return row.first == mode; });
    if (found == std::end(kModes)) {
      fail(ErrorCode::corrupt_file,
           "node mode \"{}\"; known: BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ, "
           "BRANCH_NEQ, LEAF",
           mode);
    }
    return found->second;
  }

  std::vector<NodeName> names_;
  std::vector<std::string> modes_;
  std::map<NodeName, std::int32_t> places_;
  std::int32_t branches_ = 0;
};

Aggregate aggregate_of(const std::string& name) {
  if (name == "SUM") return Aggregate::sum;
  if (name == "AVERAGE") return Aggregate::average;
  if (name == "MIN") return Aggregate::min;
  if (name == "MAX") return Aggregate::max;
  fail(ErrorCode::corrupt_file, "aggregate_function is \"{}\"; known: SUM, AVERAGE, MIN, MAX",
       name);
}

Tensor rows_of(const Tensor& x) { return x.rank() == 1 ? x.reshape({1, x.numel()}) : x; }

KernelPtr tree_regressor(const Node& node, const ImportContext&) {
  NodeTable table(node);
  table.parts.targets =
      place(node.attributes.get("n_targets", std::int64_t{1}), 1 << 24, "n_targets");
  table.parts.aggregate = aggregate_of(node.attributes.get("aggregate_function", "SUM"));
  table.add_votes(node, "target");
  const TreeEnsemble trees(std::move(table.parts));
  const ops::ScoreTransform transform = score_transform(node);
  return make_kernel([=](const Inputs& in) {
    return ops::transform_scores(trees.run(rows_of(in[0])), transform);
  });
}

/// A classifier of two classes whose leaves vote for one: by the sign of its score where some
/// weight is negative, else by whether it is above a half. The standard leaves open what scores
/// they give; these are ONNX Runtime's.
class BinaryTrees final : public Kernel {
 public:
  BinaryTrees(TreeEnsemble trees, ClassLabels labels, bool has_negative,
              ops::ScoreTransform transform)
      : trees_(std::move(trees)),
        labels_(std::move(labels)),
        has_negative_(has_negative),
        transform_(transform) {}

  void run(const Inputs& in, Outputs& out) const override {
    const Tensor score = trees_.run(rows_of(in[0]));
    out.set(0, labels_.of_sign(score, has_negative_ ? 0.f : 0.5f));
    const Tensor other =
        has_negative_ ? ops::neg(score) : ops::sub(Tensor::full(score.shape(), 1), score);
    const Tensor both[] = {other, score};
    const Tensor scores = ops::concat(both, 1);
    const bool transforms = has_negative_ && transform_ == ops::ScoreTransform::logistic;
    out.set(1, transforms ? ops::transform_scores(scores, transform_) : scores);
  }

 private:
  TreeEnsemble trees_;
  ClassLabels labels_;
  bool has_negative_;
  ops::ScoreTransform transform_;
};

KernelPtr tree_classifier(const Node& node, const ImportContext&) {
  const ClassLabels labels(node, "classlabels_int64s");
  NodeTable table(node);
  table.parts.targets = static_cast<std::int32_t>(labels.count());
  table.add_votes(node, "class");
  const ops::ScoreTransform transform = score_transform(node);
  auto& votes = table.parts.votes;
  const bool one_class =
      std::ranges::all_of(votes, [](const LeafVote& vote) { return vote.target == 0; });
  if (labels.count() == 2 && one_class) {
    const bool has_negative =
        std::ranges::any_of(votes, [](const LeafVote& vote) { return vote.weight < 0; });
    table.parts.targets = 1;
    auto& base = table.parts.base;
    if (base.size() == 2) base.erase(base.begin());
    return std::make_unique<const BinaryTrees>(TreeEnsemble(std::move(table.parts)), labels,
                                               has_negative, transform);
  }
  const TreeEnsemble trees(std::move(table.parts));
  return make_kernel([=](const Inputs& in) {
    const Tensor scores = trees.run(rows_of(in[0]));
    const Tensor chosen = scores.dim(1) == 1 ? labels.of_sign(scores, 0.f) : labels.of_best(scores);
    return std::vector<Tensor>{chosen, ops::transform_scores(scores, transform)};
  });
}

// ---- TreeEnsemble: nodes and leaves in lists of their own ----

constexpr double kMember = 6;  // the mode of a node that asks for membership

std::vector<double> tensor_values(const Node& node, std::string_view name) {
  const auto tensor = node.attributes.find<Tensor>(name);
  if (!tensor) return {};
  const Tensor wide = tensor->cast(DType::f64).contiguous();
  const auto data = wide.data<double>();
  return {data.begin(), data.end()};
}

class TreeLists {
 public:
  explicit TreeLists(const Node& node)
      : features_(node.attributes.ints("nodes_featureids")),
        yes_(node.attributes.ints("nodes_truenodeids")),
        no_(node.attributes.ints("nodes_falsenodeids")),
        yes_is_leaf_(node.attributes.ints("nodes_trueleafs")),
        no_is_leaf_(node.attributes.ints("nodes_falseleafs")),
        nan_goes_yes_(node.attributes.ints("nodes_missing_value_tracks_true")),
        modes_(tensor_values(node, "nodes_modes")),
        splits_(tensor_values(node, "nodes_splits")),
        members_(tensor_values(node, "membership_values")) {
    const std::size_t count = features_.size();
    check_length("nodes_truenodeids", yes_, count);
    check_length("nodes_falsenodeids", no_, count);
    check_length("nodes_trueleafs", yes_is_leaf_, count);
    check_length("nodes_falseleafs", no_is_leaf_, count);
    check_length("nodes_modes", modes_, count);
    check_length("nodes_splits", splits_, count);
    if (!nan_goes_yes_.empty())
      check_length("nodes_missing_value_tracks_true", nan_goes_yes_, count);
    add_leaves(node);
    place_nodes();
    for (std::size_t i = 0; i < count; ++i) add_node(i);
    for (const std::int64_t root : node.attributes.ints("tree_roots"))
      parts.roots.push_back(first_[static_cast<std::size_t>(
          place(root, static_cast<std::int64_t>(count), "a root"))]);
  }

  TreeParts parts;

 private:
  void add_leaves(const Node& node) {
    const auto targets = node.attributes.ints("leaf_targetids");
    const auto weights = tensor_values(node, "leaf_weights");
    check_length("leaf_weights", weights, targets.size());
    parts.targets = place(node.attributes.get("n_targets", std::int64_t{1}), 1 << 24, "n_targets");
    parts.leaves = static_cast<std::int32_t>(targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i)
      parts.votes.push_back({static_cast<std::int32_t>(i),
                             place(targets[i], parts.targets, "a target"),
                             static_cast<float>(weights[i])});
  }

  // A node that asks for membership becomes a chain of nodes, one for each member.
  void place_nodes() {
    std::size_t at = 0;
    std::int32_t next = 0;
    for (std::size_t i = 0; i < modes_.size(); ++i) {
      first_.push_back(next);
      std::vector<double> members;
      if (modes_[i] == kMember) {
        while (at < members_.size() && !std::isnan(members_[at])) members.push_back(members_[at++]);
        ++at;
        if (members.empty()) members.push_back(std::nan(""));
      } else {
        members.push_back(splits_[i]);
      }
      next += static_cast<std::int32_t>(members.size());
      thresholds_.push_back(std::move(members));
    }
  }

  std::int32_t child(std::int64_t index, bool is_leaf) const {
    if (is_leaf) return ~place(index, parts.leaves, "a leaf");
    return first_[static_cast<std::size_t>(
        place(index, static_cast<std::int64_t>(first_.size()), "a node"))];
  }

  void add_node(std::size_t i) {
    constexpr Branch kBranches[] = {Branch::leq, Branch::lt,  Branch::gte, Branch::gt,
                                    Branch::eq,  Branch::neq, Branch::eq};
    const auto mode = static_cast<std::size_t>(
        place(static_cast<std::int64_t>(modes_[i]), std::ssize(kBranches), "a node's mode"));
    const std::int32_t yes = child(yes_[i], yes_is_leaf_[i] != 0);
    const std::int32_t no = child(no_[i], no_is_leaf_[i] != 0);
    const bool nan_goes_yes = !nan_goes_yes_.empty() && nan_goes_yes_[i] != 0;
    const std::int32_t feature = place(features_[i], kMostFeatures, "a feature");
    const auto& thresholds = thresholds_[i];
    for (std::size_t j = 0; j < thresholds.size(); ++j) {
      const bool is_last = j + 1 == thresholds.size();
      const auto own = static_cast<std::int32_t>(parts.nodes.size());
      parts.nodes.push_back(
          {thresholds[j], feature, yes, is_last ? no : own + 1, kBranches[mode], nan_goes_yes});
    }
  }

  std::vector<std::int64_t> features_, yes_, no_, yes_is_leaf_, no_is_leaf_, nan_goes_yes_;
  std::vector<double> modes_, splits_, members_;
  std::vector<std::int32_t> first_;              // where the nodes of each node begin
  std::vector<std::vector<double>> thresholds_;  // of them
};

KernelPtr tree_ensemble(const Node& node, const ImportContext&) {
  TreeLists lists(node);
  constexpr Aggregate kAggregates[] = {Aggregate::average, Aggregate::sum, Aggregate::min,
                                       Aggregate::max};
  using enum ops::ScoreTransform;
  constexpr ops::ScoreTransform kTransforms[] = {none, softmax, logistic, softmax_zero, probit};
  lists.parts.aggregate = kAggregates[place(
      node.attributes.get("aggregate_function", std::int64_t{1}), 4, "aggregate_function")];
  const ops::ScoreTransform transform = kTransforms[place(
      node.attributes.get("post_transform", std::int64_t{0}), 5, "post_transform")];
  const TreeEnsemble trees(std::move(lists.parts));
  return make_kernel([=](const Inputs& in) {
    const Tensor y = ops::transform_scores(trees.run(rows_of(in[0])), transform);
    return is_floating(in[0].dtype()) ? y.cast(in[0].dtype()) : y;
  });
}

// clang-format off
constexpr Operator kTreeOperators[] = {
    {.op_type = "TreeEnsemble", .since = 5, .domain = kMl, .inputs = {1, 1},
     .import = tree_ensemble, .mapping = {.shapes = kSame}},
    {.op_type = "TreeEnsembleClassifier", .domain = kMl, .inputs = {1, 1},
     .import = tree_classifier, .mapping = {.shapes = kSame, .rows = follow_each_image}},
    {.op_type = "TreeEnsembleRegressor", .domain = kMl, .inputs = {1, 1}, .import = tree_regressor,
     .mapping = {.shapes = kSame, .rows = follow_each_image}},
};
// clang-format on

}  // namespace

OperatorTable tree_operators() { return kTreeOperators; }

}  // namespace quern::onnx
