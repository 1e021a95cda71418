#include "onnx/passes/pass.h"

namespace quern::onnx {
namespace {

constexpr Pass kPasses[] = {
    {"infer_shapes", infer_shapes},  // others ask for ranks
    {"eliminate_identities", eliminate_identities},
    {"sink_dequantization", sink_dequantization},
    {"hoist_quantization", hoist_quantization},
    {"fuse_quantization", fuse_quantization},  // before weights are folded to floats
    {"fold_constants", fold_constants},
    {"eliminate_transposes", eliminate_transposes},
    {"fold_batch_norms", fold_batch_norms},
    {"fuse_layer_norms", fuse_layer_norms},
    {"fuse_group_norms", fuse_group_norms},
    {"fuse_activations", fuse_activations},
    {"fuse_attention", fuse_attention},
    {"fuse_channel_shuffles", fuse_channel_shuffles},
    {"fuse_convolutions", fuse_convolutions},
    {"fuse_linear_maps", fuse_linear_maps},
    {"eliminate_dead_code", eliminate_dead_code},
};

}  // namespace

std::span<const Pass> passes() { return kPasses; }

void optimise(Graph& graph) {
  constexpr int kRounds = 8;
  for (int round = 0; round < kRounds; ++round) {
    bool changed = false;
    for (const Pass& pass : passes()) changed |= pass.run(graph);
    if (!changed) break;
  }
  note_finite_sources(graph);
}

}  // namespace quern::onnx
