#pragma once

#include <span>
#include <string_view>

#include "onnx/graph.h"

namespace quern::onnx {

/// Rewrites a graph into one that computes the same to rounding. Returns whether it changed it.
struct Pass {
  std::string_view name;
  bool (*run)(Graph& graph);
};

// Each in a file of its name.
/// Writes into values the sizes that follow from the graph's inputs, whose declared shapes every
/// run checks, and from constants; makes constants of what is computed from such sizes alone. What
/// a file declares of other values counts for nothing.
bool infer_shapes(Graph& graph);
bool fold_constants(Graph& graph);
bool eliminate_identities(Graph& graph);
bool eliminate_transposes(Graph& graph);
bool fold_batch_norms(Graph& graph);
bool fuse_layer_norms(Graph& graph);
/// Makes one node of channels that are put in groups, normalised, put back, scaled and shifted.
bool fuse_group_norms(Graph& graph);
bool fuse_activations(Graph& graph);
bool fuse_attention(Graph& graph);
/// Makes one node of Reshape, Transpose and Reshape that put channels of groups in turns, and of an
/// equal Split after them.
bool fuse_channel_shuffles(Graph& graph);
bool fuse_convolutions(Graph& graph);
bool fuse_linear_maps(Graph& graph);
/// Moves DequantizeLinear behind what only moves elements, so that bytes are moved.
bool sink_dequantization(Graph& graph);
/// Moves QuantizeLinear before what only reorders elements.
bool hoist_quantization(Graph& graph);
/// Puts operators on bytes in place of those on floats between DequantizeLinear and QuantizeLinear;
/// results differ by one step of their scale at most.
bool fuse_quantization(Graph& graph);
bool eliminate_dead_code(Graph& graph);

/// Marks with kFiniteSources the fused products that read what is finite wherever the floats among
/// the graph's inputs are, sums that overflow aside. For a graph that passes do not change any
/// more.
void note_finite_sources(Graph& graph);

/// Products and what follows them in bf16, for Precision::bf16; not one of `passes`, for results
/// differ by bf16's rounding. Inputs and outputs of the graph stay as they are.
bool lower_precision(Graph& graph);

/// All but lower_precision in order; see table.cpp.
std::span<const Pass> passes();

/// Runs the passes until none changes the graph, or often enough.
void optimise(Graph& graph);

}  // namespace quern::onnx
