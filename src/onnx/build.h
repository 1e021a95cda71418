#pragma once

#include <set>
#include <string>

#include "io/onnx_proto.h"
#include "onnx/graph.h"

namespace quern::onnx {

/// The graph of a model: names resolved, nodes in an order of execution, functions of the model
/// expanded where they are called, constants as values, what subgraphs use of the graphs around
/// them explicit. Throws: `corrupt_file` for a name that nothing gives or two give, a cycle, a
/// domain without an opset, or functions that call themselves.
///
/// An initializer that has the name of an input is its value, but for those of `given`, which are
/// inputs.
Graph build_graph(const io::onnx::ModelProto& model, const std::set<std::string>& given = {});

}  // namespace quern::onnx
