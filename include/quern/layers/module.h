#pragma once

#include "quern/export.h"
#include "quern/tensor.h"
#include "quern/weights.h"

namespace quern {

/// Something that maps one tensor to another and may have weights.
///
/// Layers are cheap values; copies share weights until one of them loads others. Once loaded,
/// calling a layer is safe from several threads.
class QUERN_API Module {
 public:
  Module() = default;
  Module(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) = default;
  virtual ~Module();

  /// Takes the weights under their PyTorch names ("weight", "bias"). Nothing changes where one
  /// does not fit. Throws: `not_found`, `invalid_argument` for a wrong shape.
  virtual void load(const WeightsView& weights) = 0;
  /// Throws: `invalid_argument` on a wrong shape or dtype, or before the weights are loaded.
  virtual Tensor operator()(const Tensor& x) const = 0;
};

}  // namespace quern
