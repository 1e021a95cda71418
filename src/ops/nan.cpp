#include "ops/nan.h"

#include <algorithm>
#include <atomic>

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "ops/layout.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

constexpr std::int64_t kNanGrain = 65536;

// Without a branch for each element, so that it is compiled to vectors.
template <class T, class Is>
bool any_of(const T* values, std::int64_t count, const Is& is) {
  std::atomic<bool> found{false};
  parallel_for(count, kNanGrain, [&](std::int64_t begin, std::int64_t end) {
    int hits = 0;
    for (std::int64_t i = begin; i < end; ++i) hits |= is(values[i]);
    if (hits != 0) found.store(true, std::memory_order_relaxed);
  });
  return found;
}

}  // namespace

bool contains_nan(const Tensor& x) {
  if (x.dtype() == DType::f32) {
    return any_of(x.data<float>().data(), x.numel(), [](float value) { return value != value; });
  }
  if (x.dtype() == DType::bf16) {
    return any_of(x.data<BFloat16>().data(), x.numel(),
                  [](BFloat16 value) { return (value.bits & 0x7fff) > 0x7f80; });
  }
  fail(ErrorCode::internal, "contains_nan: dtype {}", x.dtype());
}

bool is_finite(const Tensor& x) {
  if (x.dtype() == DType::f64 || x.dtype() == DType::f16) {
    const Tensor ends = logical_or(is_inf(x), is_nan(x)).contiguous();
    return std::ranges::count(ends.data<bool>(), true) == 0;
  }
  const Tensor dense = is_channels_last(x) ? x : x.contiguous();
  return all_finite(dense.raw(), dense.numel(), dense.dtype());
}

bool all_finite(const void* values, std::int64_t count, DType dtype) {
  if (dtype == DType::f32) {
    return !any_of(static_cast<const float*>(values), count,
                   [](float value) { return value - value != 0; });
  }
  if (dtype == DType::bf16) {
    return !any_of(static_cast<const BFloat16*>(values), count,
                   [](BFloat16 value) { return (value.bits & 0x7f80) == 0x7f80; });
  }
  fail(ErrorCode::internal, "all_finite: dtype {}", dtype);
}

}  // namespace quern::ops
