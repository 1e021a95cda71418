#pragma once

#include "backend/operation.h"

namespace quern::backend {

/// The operation that multiplies rows by packed weights fastest on this machine, which is not
/// always oneDNN's product: `desc` has two axes and packed weights. Null where oneDNN has none.
/// Thread-safe.
OperationPtr try_prepare_packed(const MatMulDesc& desc);

}  // namespace quern::backend
