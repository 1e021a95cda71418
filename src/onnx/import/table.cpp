#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "core/format.h"
#include "io/onnx_proto.h"
#include "onnx/import/import.h"

namespace quern::onnx {
namespace {

constexpr OperatorTable (*kFamilies[])() = {
    activation_operators,     attention_operators,   contrib_operators,        control_operators,
    conversion_operators,     convolution_operators, elementwise_operators,    fused_operators,
    image_operators,          indexing_operators,    linear_algebra_operators, logic_operators,
    matmul_bits_operators,    ml_operators,          normalization_operators,  pooling_operators,
    quantization_operators,   random_operators,      recurrent_operators,      reduction_operators,
    scan_operators,           sequence_operators,    shape_operators,          signal_operators,
    support_vector_operators, text_operators,        training_operators,       tree_operators,
};

using Name = std::pair<std::string_view, std::string_view>;

/// Entries of one name, the newest first.
std::map<Name, std::vector<const Operator*>> make_index() {
  std::map<Name, std::vector<const Operator*>> index;
  for (const Operator* entry : all_operators())
    index[{entry->domain, entry->op_type}].push_back(entry);
  for (auto& [name, entries] : index)
    std::ranges::sort(entries, std::greater<>(),
                      [](const Operator* entry) { return entry->since; });
  return index;
}

}  // namespace

std::vector<const Operator*> all_operators() {
  std::vector<const Operator*> entries;
  for (const auto family : kFamilies) {
    for (const Operator& entry : family()) entries.push_back(&entry);
  }
  return entries;
}

const Operator* find_operator(std::string_view domain, std::string_view op_type,
                              std::int64_t opset) {
  static const auto index = make_index();
  const auto found = index.find({domain, op_type});
  if (found == index.end()) return nullptr;
  const auto entry = std::ranges::find_if(
      found->second, [&](const Operator* candidate) { return candidate->since <= opset; });
  return entry == found->second.end() ? nullptr : *entry;
}

void set_operator(Node& node, std::string_view domain, std::string_view op_type,
                  std::int64_t opset) {
  node.domain = domain;
  node.op_type = op_type;
  node.opset = opset;
  node.row = find_operator(node);
}

Purity purity_of(const Node& node) {
  if (node.row != nullptr && node.row->purity != Purity::deterministic) return node.row->purity;
  for (const auto& [name, attribute] : node.attributes.all()) {
    const auto* graph = std::get_if<std::shared_ptr<const Graph>>(&attribute);
    const auto is_random = [](const Node& inner) { return purity_of(inner) == Purity::random; };
    if (graph != nullptr && std::ranges::any_of((*graph)->nodes, is_random)) return Purity::random;
  }
  return Purity::deterministic;
}

bool is_elementwise(const Node& node) {
  return node.row != nullptr && node.row->mapping.elementwise && node.outputs.size() == 1 &&
         !node.attributes.contains("axis");
}

std::optional<ActivationFunction> activation_of(const Node& node, const Graph& graph) {
  const bool may_be = node.row != nullptr && node.row->activation != nullptr;
  return may_be ? node.row->activation(node, graph) : std::nullopt;
}

std::vector<int> checked_axes(std::span<const std::int64_t> axes, int rank) {
  std::vector<int> checked;
  for (const std::int64_t axis : axes) {
    require(axis >= -rank && axis < rank, "axis {} is out of range for rank {}", axis, rank);
    checked.push_back(static_cast<int>(axis < 0 ? axis + rank : axis));
  }
  return checked;
}

int checked_axis(std::int64_t axis, int rank) { return checked_axes(std::span(&axis, 1), rank)[0]; }

DType dtype_of_code(std::int64_t code) {
  const auto dtype = io::onnx::find_dtype(code);
  if (!dtype) fail(ErrorCode::unsupported, "element type {} is not supported", code);
  return *dtype;
}

bool flag(const Node& node, std::string_view name) {
  return node.attributes.get(name, std::int64_t{0}) != 0;
}

Tensor split_heads(const Tensor& x, std::int64_t heads) {
  require(x.rank() == 3 && heads > 0 && x.dim(2) % heads == 0, "{} does not split into {} heads",
          x.shape(), heads);
  return x.reshape({x.dim(0), x.dim(1), heads, x.dim(2) / heads}).transpose(1, 2);
}

Tensor merge_heads(const Tensor& x) {
  return x.transpose(1, 2).reshape({x.dim(0), x.dim(2), x.dim(1) * x.dim(3)});
}

std::vector<std::int64_t> axes_of(const Node& node, const Inputs& in, std::size_t index) {
  if (node.attributes.contains("axes")) return node.attributes.ints("axes");
  return in.has(index) ? in.ints(index) : std::vector<std::int64_t>{};
}

}  // namespace quern::onnx
