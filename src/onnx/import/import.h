#pragma once

#include <span>
#include <string_view>

#include "onnx/import/rules/row_rules.h"
#include "onnx/import/rules/shape_rules.h"
#include "onnx/operator.h"
#include "onnx/training/gradient_rules.h"

namespace quern::onnx {

/// Short, for the tables.
inline constexpr auto kSame = ShapesFrom::input_shapes;
inline constexpr auto kConstants = ShapesFrom::input_constants;
/// A function of each element of input 0, whatever the others.
inline constexpr Mapping kElementwise{
    .shapes = kSame, .dims = same_dims, .rows = follow_like_first, .elementwise = true};
/// A function of the elements at the same place of all inputs, which broadcast to each other.
inline constexpr Mapping kBroadcasting{
    .shapes = kSame, .dims = broadcast_dims, .rows = follow_broadcasting, .elementwise = true};

/// Rows of one family, a file each.
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
