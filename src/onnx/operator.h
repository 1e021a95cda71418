#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/activation.h"
#include "onnx/graph.h"
#include "onnx/kernel.h"

namespace quern::onnx {

struct GradientPlace;
class KnownInputs;
class RowRule;

/// What an importer is given.
struct ImportContext {
  const Graph& graph;  ///< the one that holds the node: its constants can be looked at
  /// Compiles a subgraph of the node, to be run by its kernel.
  std::function<std::shared_ptr<const Subgraph>(const Graph&)> compile;
};

/// Binds a node's attributes, by the rules of its opset, and gives what computes it. Throws:
/// `corrupt_file` for attributes that break the standard's rules; `unsupported`.
using Importer = KernelPtr (*)(const Node& node, const ImportContext& context);

inline constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();

/// How many inputs the standard gives an operator, absent ones between others counted.
struct InputCount {
  std::size_t least = 0;
  std::size_t most = kAnyNumber;
};

/// What fixes the shapes of a node's outputs; lets a plan compute shapes once.
enum class ShapesFrom : std::uint8_t {
  anything,        ///< data, or not known: nothing is assumed
  input_shapes,    ///< the shapes of the inputs alone
  input_constants  ///< the shape of input 0 and the values of the others
};

/// Sizes of axes, outermost first; kUnknown where one is not known.
using Dims = std::vector<std::int64_t>;
inline constexpr std::int64_t kUnknown = -1;

/// Sizes of a node's outputs as far as those of its inputs fix them: in order, and as many as are
/// known. Throws: Error where the node cannot run.
using DimsRule = std::vector<Dims> (*)(const Node& node, const KnownInputs& in);

/// Sets what is known of rows in a node's outputs; false where it mixes rows or may do so.
using RowsRule = bool (*)(const RowRule& rule);

/// How places of the results come of places of the inputs.
struct Mapping {
  ShapesFrom shapes = ShapesFrom::anything;
  DimsRule dims = nullptr;   ///< see import/rules/shape_rules.h
  RowsRule rows = nullptr;   ///< see import/rules/row_rules.h
  RowsRule sizes = nullptr;  ///< likewise, where the count of rows is among numbers of an input
  bool elementwise = false;  ///< each element from those at the same place, in any order of axes
};

/// What the outputs are made of. Deterministic nodes of constant inputs are computed once.
enum class Purity : std::uint8_t {
  deterministic,
  random,     ///< differs from run to run
  shape_only  ///< the values of outputs follow from the shape of input 0: Shape, Size
};

/// What an operator does in bf16 where f32 may be lowered to it.
struct Bf16 {
  std::size_t inputs = 0;  ///< how many, the first ones, have to be in it for the result to be
  bool starts = false;     ///< whether it is worth casting them for
};

/// Which inputs must be finite for the results to be, sums that overflow aside.
enum class Finite : std::uint8_t { unknown, of_first, of_all };

/// Whether the results are elements of the first input as they are, in what order and shape ever.
enum class Moves : std::uint8_t {
  nothing,
  all,  ///< each of them, once
  some  ///< those at places, or the largest
};

/// What a node computes of its first input, where that is a function of each element.
using ActivationOf = std::optional<ActivationFunction> (*)(const Node& node, const Graph& graph);

/// Gives the gradients of a node's inputs.
using GradientRule = void (*)(const GradientPlace& at);

/// All that is known of one operator of a domain from one opset on, until another row of its name
/// begins. Nodes point to theirs; passes ask it.
struct Operator {
  std::string_view op_type;
  int since = 1;
  std::string_view domain = {};
  InputCount inputs{};
  Importer import;
  Mapping mapping{};
  Purity purity = Purity::deterministic;
  Bf16 bf16{};
  Finite finite = Finite::unknown;
  Moves moves = Moves::nothing;
  bool carries_sizes = false;  ///< shapes are computed with it: it moves numbers of the first input
  ActivationOf activation = nullptr;
  ActivationOf gated = nullptr;  ///< likewise, of the product of the input and the result
  GradientRule gradient = nullptr;
};

inline constexpr std::string_view kMicrosoft = "com.microsoft";
inline constexpr std::string_view kMl = "ai.onnx.ml";
inline constexpr std::string_view kPreview = "ai.onnx.preview";
inline constexpr std::string_view kTraining = "ai.onnx.preview.training";
inline constexpr std::string_view kQuern = "quern";  ///< what passes put in

/// Every row of every family; see table.cpp.
std::vector<const Operator*> all_operators();

/// The row for a node of that opset; null where there is none.
const Operator* find_operator(std::string_view domain, std::string_view op_type,
                              std::int64_t opset);

/// The row for what a node says it is.
inline const Operator* find_operator(const Node& node) {
  return find_operator(node.domain, node.op_type, node.opset);
}

/// Makes a node one of an operator, and lets it point to the operator's row.
void set_operator(Node& node, std::string_view domain, std::string_view op_type,
                  std::int64_t opset);
/// Makes a node the operator that computes `function` of its first input: silu, hardswish, GELU, or
/// relu with a slope.
void set_activation(Node& node, const ActivationFunction& function);

/// Of a node's outputs: as its operator's, but random where a node in one of its subgraphs is.
Purity purity_of(const Node& node);

/// Whether any order of axes will do for a node.
bool is_elementwise(const Node& node);

/// What a node computes of its first input; nothing where that is no function of each element.
std::optional<ActivationFunction> activation_of(const Node& node, const Graph& graph);

}  // namespace quern::onnx
