#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "core/activation.h"
#include "onnx/graph.h"
#include "onnx/kernel.h"

namespace quern::onnx {

class Executable;

/// What fixes the shapes of a node's outputs; lets a plan compute shapes once.
enum class ShapesFrom : std::uint8_t {
  anything,        ///< data, or not known: nothing is assumed
  input_shapes,    ///< the shapes of the inputs alone
  input_constants  ///< the shape of input 0 and the values of the others
};

/// What an importer is given.
struct ImportContext {
  const Graph& graph;  ///< the one that holds the node: its constants can be looked at
  /// Compiles a subgraph of the node, to be run by its kernel.
  std::function<std::shared_ptr<const Executable>(const Graph&)> compile;
};

/// Binds a node's attributes, by the rules of its opset, and gives what computes it. Throws:
/// `corrupt_file` for attributes that break the standard's rules; `unsupported`.
using Importer = KernelPtr (*)(const Node& node, const ImportContext& context);

/// What the outputs are made of. Deterministic nodes of constant inputs are computed once.
enum class Purity : std::uint8_t {
  deterministic,
  random,     ///< differs from run to run
  shape_only  ///< the values of outputs follow from the shape of input 0: Shape, Size
};

using ActivationOf = std::optional<ActivationFunction> (*)(const Node& node, const Graph& graph);

/// One operator of a domain from one opset on, until another entry of its name begins.
struct Operator {
  std::string_view op_type;
  int since;
  Importer import;
  ShapesFrom shapes = ShapesFrom::anything;
  Purity purity = Purity::deterministic;
  std::string_view domain = {};
  /// What it computes of its first input, where that is one function of each element.
  ActivationOf activation = nullptr;
  /// What the product of its input and its result is, likewise.
  ActivationOf gated = nullptr;
};

/// What a node computes of its first input; nothing where that is none.
std::optional<ActivationFunction> activation_of(const Node& node, const Graph& graph);
/// What the product of a node's first input and its result is, likewise.
std::optional<ActivationFunction> gated_of(const Node& node, const Graph& graph);

void set_operator(Node& node, std::string_view domain, std::string_view op_type,
                  std::int64_t opset);
/// Makes a node the operator that computes `function` of its first input: silu, hardswish, GELU, or
/// relu with a slope.
void set_activation(Node& node, const ActivationFunction& function);

/// Of a node's outputs: as its operator's, but random where a node in one of its subgraphs is.
Purity purity_of(const Node& node);

/// Short, for the tables.
inline constexpr auto kSame = ShapesFrom::input_shapes;
inline constexpr auto kConstants = ShapesFrom::input_constants;
inline constexpr auto kPure = Purity::deterministic;
inline constexpr std::string_view kMicrosoft = "com.microsoft";
inline constexpr std::string_view kQuern = "quern";  ///< what passes put in
inline constexpr std::string_view kMl = "ai.onnx.ml";

/// Every entry of every family; see table.cpp.
std::vector<const Operator*> all_operators();

/// The entry for a node of that opset; null where there is none.
const Operator* find_operator(std::string_view domain, std::string_view op_type,
                              std::int64_t opset);

/// Entries of one family, a file each.
using OperatorTable = std::span<const Operator>;
OperatorTable activation_operators();
OperatorTable attention_operators();
OperatorTable contrib_operators();
OperatorTable control_operators();
OperatorTable conversion_operators();
OperatorTable convolution_operators();
OperatorTable elementwise_operators();
OperatorTable fused_operators();
OperatorTable image_operators();
OperatorTable indexing_operators();
OperatorTable linear_algebra_operators();
OperatorTable logic_operators();
OperatorTable matmul_bits_operators();
OperatorTable ml_operators();
OperatorTable normalization_operators();
OperatorTable pooling_operators();
OperatorTable quantization_operators();
OperatorTable random_operators();
OperatorTable recurrent_operators();
OperatorTable reduction_operators();
OperatorTable scan_operators();
OperatorTable sequence_operators();
OperatorTable shape_operators();
OperatorTable signal_operators();
OperatorTable support_vector_operators();
OperatorTable text_operators();
OperatorTable training_operators();
OperatorTable tree_operators();

// ---- What importers share ----

/// Axes counted from the front. Throws: `invalid_argument` for one that is out of range.
std::vector<int> checked_axes(std::span<const std::int64_t> axes, int rank);

/// One axis counted from the front. Throws: as checked_axes.
int checked_axis(std::int64_t axis, int rank);

/// A place between elements of a list of `size`, counted from the end where negative; its ends
/// where it is beyond them.
std::int64_t clamped_place(std::int64_t place, std::int64_t size);

/// The dtype of a TensorProto.DataType, as attributes name it. Throws: `unsupported`.
DType dtype_of_code(std::int64_t code);

/// Axes that older opsets give as attribute `axes` and newer ones as input `index`; none where both
/// are missing.
std::vector<std::int64_t> axes_of(const Node& node, const Inputs& in, std::size_t index);

/// An integer attribute that stands for a bool; false where missing.
bool flag(const Node& node, std::string_view name);

/// A list attribute; empty where missing.
template <class T>
std::vector<T> list(const Node& node, std::string_view name) {
  return node.attributes.find<std::vector<T>>(name).value_or(std::vector<T>{});
}

/// An importer that leaves everything to the constructor of a kernel class.
template <class T>
KernelPtr make(const Node& node, const ImportContext& context) {
  return std::make_unique<const T>(node, context);
}

/// [batch, tokens, heads * dim] as [batch, heads, tokens, dim].
Tensor split_heads(const Tensor& x, std::int64_t heads);

/// [batch, heads, tokens, dim] as [batch, tokens, heads * dim].
Tensor merge_heads(const Tensor& x);

}  // namespace quern::onnx
