#pragma once

#include "backend/operation.h"
#include "ops/implementations.h"
#include "ops/pool_into.h"

namespace quern::ops {

struct PoolArgs {
  backend::Pooling operation;
  Tensor src;  ///< any layout
  Tensor dst;  ///< either layout; not empty
  Shape kernel;
  backend::Window window;
};

std::span<const Implementation<PoolArgs>> pool_implementations();

/// Options with their defaults filled in, `pads_end` as given.
backend::Window pool_window(const char* operation, const Shape& src, const PoolOptions& options);
}  // namespace quern::ops
