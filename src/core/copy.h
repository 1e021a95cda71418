#pragma once

#include "quern/tensor.h"

namespace quern {

/// Copies the elements of `src` into `dst`, of the same shape and dtype but any layout; the two
/// share no memory.
void copy_elements(const Tensor& src, Tensor dst);

}  // namespace quern
