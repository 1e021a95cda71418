#include "ops/nan.h"

#include <atomic>

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"

namespace quern::ops {
namespace {

constexpr std::int64_t kGrain = 65536;

// Without a branch for each element, so that it is compiled to vectors.
template <class T, class IsNan>
bool any_nan(const Tensor& x, const IsNan& is_nan) {
  const T* values = x.data<T>().data();
  std::atomic<bool> found{false};
  parallel_for(x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    int nans = 0;
    for (std::int64_t i = begin; i < end; ++i) nans |= is_nan(values[i]);
    if (nans != 0) found.store(true, std::memory_order_relaxed);
  });
  return found;
}

}  // namespace

bool contains_nan(const Tensor& x) {
  if (x.dtype() == DType::f32) return any_nan<float>(x, [](float value) { return value != value; });
  if (x.dtype() == DType::bf16) {
    return any_nan<BFloat16>(x, [](BFloat16 value) { return (value.bits & 0x7fff) > 0x7f80; });
  }
  fail(ErrorCode::internal, "contains_nan: dtype {}", x.dtype());
}

}  // namespace quern::ops
