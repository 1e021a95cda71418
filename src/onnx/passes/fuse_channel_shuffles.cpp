#include <algorithm>

#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"

namespace quern::onnx {
namespace {

using Ints = std::vector<std::int64_t>;

constexpr std::int64_t kMostChannels = std::int64_t{1} << 30;  // a product of two fits in 64 bits

/// The constant shape [batch, ...] that a Reshape gives; nothing where it is not one.
std::optional<Ints> reshaped_to(const Graph& graph, const Node* node) {
  if (node == nullptr || !node->is("Reshape")) return std::nullopt;
  if (node->attributes.get("allowzero", std::int64_t{0}) != 0) return std::nullopt;
  const Tensor* shape = graph.constant(node->input(1));
  if (shape == nullptr || shape->dtype() != DType::i64 || shape->rank() != 1) return std::nullopt;
  const Tensor values = shape->contiguous();
  return Ints(values.data<std::int64_t>().begin(), values.data<std::int64_t>().end());
}

/// Whether the channels of the result are those of the source, `before` and `after` being constant
/// shapes of which a size may be left to follow from the others.
bool keeps_channels(const Ints& before, const Ints& after) {
  if (after[1] == before[1] * before[2]) return true;
  const auto is_same = [&](std::size_t axis) {
    const std::int64_t size = after[axis];
    return size == before[axis + 1] && size > 0;
  };
  bool same = after[1] == -1 && after[0] == before[0] && after[0] != -1;
  for (std::size_t axis = 2; axis < after.size(); ++axis) same &= is_same(axis);
  return same;
}

/// The Split of a value into parts of equally many of its `channels`, where nothing else reads it.
Node* equal_split(Rewriter& rewriter, ValueId value, std::int64_t channels) {
  Node* split = rewriter.only_reader(value);
  if (split == nullptr || !split->is("Split")) return nullptr;
  if (split->attributes.get("axis", std::int64_t{0}) != 1) return nullptr;
  const auto count = static_cast<std::int64_t>(split->outputs.size());
  Ints sizes = split->attributes.ints("split");
  if (split->has_input(1)) {
    const Tensor* given = rewriter.graph().constant(split->input(1));
    if (given == nullptr || given->dtype() != DType::i64) return nullptr;
    const Tensor values = given->contiguous();
    sizes.assign(values.data<std::int64_t>().begin(), values.data<std::int64_t>().end());
  }
  const bool equal =
      (sizes.empty() || std::ssize(sizes) == count) &&
      std::ranges::all_of(sizes, [&](std::int64_t size) { return size == channels / count; });
  return channels % count == 0 && equal ? split : nullptr;
}

void fuse_shuffle(Rewriter& rewriter, Node& last) {
  const Graph& graph = rewriter.graph();
  const auto after = reshaped_to(graph, &last);
  Node* transpose = rewriter.producer(last.input(0), "Transpose");
  if (!after || transpose == nullptr || rewriter.reads(last.input(0)) != 1) return;
  Node* first = rewriter.producer(transpose->input(0), "Reshape");
  const auto before = reshaped_to(graph, first);
  if (!before || rewriter.reads(transpose->input(0)) != 1) return;
  const std::size_t rank = after->size();
  if (rank < 3 || before->size() != rank + 1) return;
  Ints order(rank + 1);
  for (std::size_t axis = 0; axis <= rank; ++axis) order[axis] = static_cast<std::int64_t>(axis);
  std::swap(order[1], order[2]);
  const std::int64_t groups = (*before)[1];
  const std::int64_t k = (*before)[2];
  const auto counts = [](std::int64_t number) { return number > 0 && number <= kMostChannels; };
  if (transpose->attributes.ints("perm") != order || !counts(groups) || !counts(k)) return;
  if ((*after)[1] != -1 && (*after)[1] != groups * k) return;
  Node* split = keeps_channels(*before, *after) ? equal_split(rewriter, last.outputs[0], groups * k)
                                                : nullptr;
  const auto parts = split != nullptr ? static_cast<std::int64_t>(split->outputs.size()) : 1;
  const bool splits = split != nullptr && k % parts == 0;
  Node& end = splits ? *split : last;
  Node made = make_node(last, "ChannelShuffle", {first->input(0)});
  made.attributes.set("before", *before);
  made.attributes.set("after", *after);
  Node* const replaced[] = {first, transpose, &last};
  rewriter.substitute(end, std::move(made), replaced);
}

}  // namespace

bool fuse_channel_shuffles(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
    Node& node = rewriter.node(i);
    if (!rewriter.is_removed(i) && node.is("Reshape") && node.outputs.size() == 1)
      fuse_shuffle(rewriter, node);
  }
  return rewriter.changed();
}

}  // namespace quern::onnx
