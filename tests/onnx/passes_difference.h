#pragma once

#include <cstdint>
#include <string>

namespace quern::random_graphs {

/// Makes a graph from a seed and compares what it gives after all passes, in a first run and in
/// planned ones, on two sets of inputs, with what its operators give one by one. Empty where they
/// agree, else what differs, with the graph before and after and the first pass that made it so.
std::string passes_difference(std::uint64_t seed);

}  // namespace quern::random_graphs
