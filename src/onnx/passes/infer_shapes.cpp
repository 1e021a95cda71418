#include <algorithm>

#include "onnx/known_inputs.h"
#include "onnx/passes/evaluate.h"
#include "onnx/passes/pass.h"

namespace quern::onnx {
namespace {

constexpr std::int64_t kMostSizes = 64;

bool moves_elements(const Node& node) {
  return node.row != nullptr && node.row->carries_sizes && node.outputs.size() == 1 &&
         node.outputs[0] != kAbsent;
}

Tensor vector_of(const Dims& sizes) {
  return Tensor::from(sizes, {static_cast<std::int64_t>(sizes.size())});
}

/// Goes through a graph once, in order. Sizes that are not known are carried as kUnknown through
/// what shapes are computed with, by the operators themselves.
class Inference {
 public:
  explicit Inference(Graph& graph) : graph_(graph) {}

  /// Learns of a node's outputs; true where they are constants now.
  bool learn(const Node& node) {
    const KnownInputs in(graph_, node, sizes_);
    const std::vector<Dims> results = dims_of_outputs(node, in);
    for (std::size_t i = 0; i < std::min(results.size(), node.outputs.size()); ++i) {
      if (node.outputs[i] != kAbsent) graph_.value(node.outputs[i]).dims = results[i];
    }
    const auto sizes = sizes_of_output(node, in);
    if (!sizes || node.outputs.size() != 1 || node.outputs[0] == kAbsent) return false;
    GraphValue& output = graph_.value(node.outputs[0]);
    output.dims = Dims(sizes->shape().begin(), sizes->shape().end());
    if (std::ranges::count(sizes->data<std::int64_t>(), kUnknown) > 0) {
      sizes_.insert_or_assign(node.outputs[0], *sizes);
      return false;
    }
    output.constant = *sizes;
    return true;
  }

 private:
  static std::vector<Dims> dims_of_outputs(const Node& node, const KnownInputs& in) {
    try {
      const DimsRule rule = node.row != nullptr ? node.row->mapping.dims : nullptr;
      return rule != nullptr ? rule(node, in) : std::vector<Dims>{};
    } catch (const Error&) {
      return {};  // it may never run; where it does, it says what is wrong
    }
  }

  std::optional<Tensor> sizes_of_output(const Node& node, const KnownInputs& in) const {
    const auto dims = in.dims(0);
    if (node.is("Size") && dims) return Tensor::scalar(element_count(*dims));
    if (node.is("Shape") && dims) {
      const auto rank = static_cast<std::int64_t>(dims->size());
      const auto end = node.attributes.get("end", rank);
      const auto first = clamped_place(node.attributes.get("start", std::int64_t{0}), rank);
      const auto last = std::max(first, clamped_place(end, rank));
      return vector_of(Dims(dims->begin() + first, dims->begin() + last));
    }
    return moves_elements(node) ? moved(node) : std::nullopt;
  }

  /// What a node makes of sizes, by itself. Nothing where none of them, or more than sizes, come
  /// in.
  std::optional<Tensor> moved(const Node& node) const {
    std::vector<Value> values(node.inputs.size());
    std::vector<const Value*> inputs;
    bool has_sizes = false;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const auto known = sizes_.find(node.inputs[i]);
      const Tensor* constant = graph_.constant(node.inputs[i]);
      if (known != sizes_.end() && (i == 0 || node.is("Concat"))) {
        values[i] = known->second;
        has_sizes = true;
      } else if (constant != nullptr) {
        values[i] = *constant;
      } else if (node.inputs[i] != kAbsent) {
        return std::nullopt;
      }
      inputs.push_back(&values[i]);
    }
    const auto results = has_sizes ? evaluate(graph_, node, inputs) : std::vector<Value>{};
    const bool fits = !results.empty() && results[0].is_tensor() &&
                      results[0].tensor().dtype() == DType::i64 &&
                      results[0].tensor().numel() <= kMostSizes;
    return fits ? std::optional(results[0].tensor().contiguous()) : std::nullopt;
  }

  Graph& graph_;
  KnownInputs::Sizes sizes_;
};

}  // namespace

bool infer_shapes(Graph& graph) {
  Inference inference(graph);
  return std::erase_if(graph.nodes, [&](const Node& node) { return inference.learn(node); }) > 0;
}

}  // namespace quern::onnx
