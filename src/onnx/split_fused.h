#pragma once

#include <vector>

#include "onnx/graph.h"

namespace quern::onnx {

/// What a FusedConv or FusedGemm of com.microsoft stands for: the operator of ai.onnx, its fourth
/// input added, an activation; passes fuse them in their own way. Another node stays as it is.
/// Throws: `unsupported` for an activation that is not known.
std::vector<Node> split_fused(Node node, Graph& graph);

}  // namespace quern::onnx
