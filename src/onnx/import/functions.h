#pragma once

#include "onnx/import/import.h"

namespace quern::onnx {

/// Importers of operators without attributes that are a function of one or two tensors.
template <Tensor (*function)(const Tensor&)>
KernelPtr unary(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return function(in[0]); });
}

template <Tensor (*function)(const Tensor&, const Tensor&)>
KernelPtr binary(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return function(in[0], in[1]); });
}

}  // namespace quern::onnx
