#pragma once

#include "onnx/known_inputs.h"

/// Rules of shapes that the rows of operators name: see Mapping::dims.
namespace quern::onnx {

/// Those of the first input.
std::vector<Dims> same_dims(const Node& node, const KnownInputs& in);
/// Those that all inputs broadcast to, of which none may be missing.
std::vector<Dims> broadcast_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> matmul_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> gemm_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> conv_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> pool_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> global_pool_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> transpose_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> flatten_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> squeeze_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> unsqueeze_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> reshape_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> concat_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> split_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> slice_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> gather_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> expand_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> constant_of_shape_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> reduce_dims(const Node& node, const KnownInputs& in);
std::vector<Dims> arg_best_dims(const Node& node, const KnownInputs& in);
/// Of a number.
std::vector<Dims> no_dims(const Node& node, const KnownInputs& in);

}  // namespace quern::onnx
