#pragma once

#include <vector>

#include "onnx/graph.h"

namespace quern::onnx {

/// What a node in a form that later opsets dropped stands for, in forms that importers and passes
/// know: broadcasting by `axis`, shapes and pads and scales as attributes of other names, training
/// told by the outputs, and the operators that were experimental before opset 10. Another node
/// stays as it is. Throws: `corrupt_file` for attributes that break the standard's rules.
std::vector<Node> renewed(Node node, Graph& graph);

}  // namespace quern::onnx
