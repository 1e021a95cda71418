#pragma once

#include "core/activation.h"
#include "quern/tensor.h"

namespace quern::ops {

/// As the function of this name in `quern/ops`: of the other dtypes, too, that it has.
Tensor activate(const ActivationFunction& function, const Tensor& x);

}  // namespace quern::ops
