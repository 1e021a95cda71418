#pragma once

#include "onnx/graph.h"

namespace quern::onnx {

/// Whether rows may be computed together: proves that, with rows along the first axis of every
/// input, each row of every output follows from the same rows of the inputs alone, however many
/// there are. Follows the axis that has the rows through operators of the standard; one that mixes
/// rows, or that has no rule, ends the proof.
bool has_independent_rows(const Graph& graph);

}  // namespace quern::onnx
