#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "onnx/growing_graph.h"

/// What the patterns that grow are made of.
namespace quern::random_graphs {

using Growing = GrowingGraph;
using Id = Growing::ValueId;
using Ints = std::vector<std::int64_t>;
using AttributeList = std::vector<Growing::Attribute>;

Shape random_shape(Dice& dice, int least_rank, int most_rank);
Shape broadcasting_to(Dice& dice, const Shape& shape);
Ints random_order(Dice& dice, int rank);
/// `number`, or one beside it.
float almost(Dice& dice, double number);

/// What combines with `x` by broadcasting, now and then to more than x's shape.
Id beside(Growing& graph, Id x);
/// Floats of a known value, or an input.
Id source(Growing& graph, int least_rank, int most_rank);
Id clip(Growing& graph, Id x);

/// Operators whose shapes, and what is computed of them, passes know before a run.
void shapes(Growing& graph);
/// Operators on bytes between DequantizeLinear and QuantizeLinear.
void bytes(Growing& graph);

}  // namespace quern::random_graphs
