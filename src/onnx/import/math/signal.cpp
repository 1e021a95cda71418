#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

std::int64_t one_int(const Inputs& in, std::size_t index) {
  const std::vector<std::int64_t> values = in.ints(index);
  require(values.size() == 1, "input {} has {} elements, expected one", index, values.size());
  return values[0];
}

double one_number(const Inputs& in, std::size_t index) {
  return in[index].cast(DType::f64).item<double>();
}

/// The axis is attribute `axis` before opset 20, then input 2.
KernelPtr dft(const Node& node, const ImportContext&) {
  ops::DftOptions options;
  if (node.attributes.get("inverse", std::int64_t{0}) != 0)
    options.direction = ops::FourierDirection::inverse;
  if (node.attributes.get("onesided", std::int64_t{0}) != 0) options.sides = ops::FourierSides::one;
  const std::int64_t bound =
      node.opset < 20 ? node.attributes.get("axis", std::int64_t{1}) : std::int64_t{-2};
  return make_kernel([=](const Inputs& in) {
    ops::DftOptions with_length = options;
    if (in.has(1)) with_length.length = one_int(in, 1);
    const std::int64_t axis = in.has(2) ? one_int(in, 2) : bound;
    return ops::dft(in[0], checked_axis(axis, in[0].rank()), with_length);
  });
}

KernelPtr stft(const Node& node, const ImportContext&) {
  const bool one_sided = node.attributes.get("onesided", std::int64_t{1}) != 0;
  return make_kernel([one_sided](const Inputs& in) {
    require(in.has(2) || in.has(3), "neither a window nor a frame_length");
    const std::int64_t size = in.has(3) ? one_int(in, 3) : in[2].numel();
    return ops::stft(in[0], size, one_int(in, 1), in.find(2),
                     one_sided ? ops::FourierSides::one : ops::FourierSides::both);
  });
}

KernelPtr mel_weight_matrix(const Node& node, const ImportContext&) {
  const DType dtype = dtype_of_code(node.attributes.get("output_datatype", std::int64_t{1}));
  return make_kernel([dtype](const Inputs& in) {
    return ops::mel_weight_matrix({.bins = one_int(in, 0),
                                   .dft_length = one_int(in, 1),
                                   .sample_rate = one_int(in, 2),
                                   .low = one_number(in, 3),
                                   .high = one_number(in, 4)},
                                  dtype);
  });
}

template <Tensor (*function)(std::int64_t, ops::WindowForm, DType)>
KernelPtr window(const Node& node, const ImportContext&) {
  const DType dtype = dtype_of_code(node.attributes.get("output_datatype", std::int64_t{1}));
  const bool periodic = node.attributes.get("periodic", std::int64_t{1}) != 0;
  const auto form = periodic ? ops::WindowForm::periodic : ops::WindowForm::symmetric;
  return make_kernel([=](const Inputs& in) { return function(one_int(in, 0), form, dtype); });
}

// clang-format off
constexpr Operator kSignalOperators[] = {
    {.op_type = "BlackmanWindow", .since = 17, .inputs = {1, 1},
     .import = window<ops::blackman_window>},
    {.op_type = "DFT", .since = 17, .inputs = {1, 2}, .import = dft,
     .mapping = {.shapes = kConstants}},
    {.op_type = "DFT", .since = 20, .inputs = {1, 3}, .import = dft,
     .mapping = {.shapes = kConstants}},
    {.op_type = "HammingWindow", .since = 17, .inputs = {1, 1},
     .import = window<ops::hamming_window>},
    {.op_type = "HannWindow", .since = 17, .inputs = {1, 1}, .import = window<ops::hann_window>},
    {.op_type = "MelWeightMatrix", .since = 17, .inputs = {5, 5}, .import = mel_weight_matrix},
    {.op_type = "STFT", .since = 17, .inputs = {2, 4}, .import = stft},
};
// clang-format on

}  // namespace

OperatorTable signal_operators() { return kSignalOperators; }

}  // namespace quern::onnx
