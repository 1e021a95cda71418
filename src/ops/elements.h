#pragma once

#include <cstdint>
#include <string_view>

#include "core/parallel.h"
#include "core/strided.h"
#include "core/visit.h"
#include "quern/tensor.h"

/// Loops over elements, in parallel where there are many.
namespace quern::ops {

/// Elements that are worth another thread.
inline constexpr std::int64_t kElementGrain = 32768;

template <class From, class To, class Function>
void map_run(const From* from, To* to, std::int64_t count, const Function& function) {
  for (std::int64_t i = 0; i < count; ++i)
    to[i] = static_cast<To>(function(static_cast<Compute<From>>(from[i])));
}

/// function(x) of each element of `x`, whose dtype is From's, in the dtype of To.
template <class From, class To, class Function>
Tensor map_elements(const Tensor& x, const Function& function) {
  const Tensor src = x.contiguous();
  Tensor dst = Tensor::empty(x.shape(), dtype_of<To>);
  const From* from = src.data<From>().data();
  To* to = dst.mutable_data<To>().data();
  parallel_for(x.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
    map_run(from + begin, to + begin, end - begin, function);
  });
  return dst;
}

/// map_elements for floating dtypes, to the same dtype.
template <class Function>
Tensor map_floating(std::string_view operation, const Tensor& x, const Function& function) {
  Tensor dst;
  visit_floating(operation, x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    dst = map_elements<T, T>(x, function);
  });
  return dst;
}

// Strides of 0 and 1 have loops of their own, which are compiled to vectors.
template <class A, class B, class To, class Function>
void zip_run(const A* x, std::int64_t x_step, const B* y, std::int64_t y_step, To* out,
             std::int64_t count, const Function& function) {
  const auto value = [&](const A& left, const B& right) {
    return static_cast<To>(function(static_cast<Compute<A>>(left), static_cast<Compute<B>>(right)));
  };
  if (x_step == 1 && y_step == 1) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = value(x[i], y[i]);
  } else if (x_step == 1 && y_step == 0) {
    const B right = *y;
    for (std::int64_t i = 0; i < count; ++i) out[i] = value(x[i], right);
  } else if (x_step == 0 && y_step == 1) {
    const A left = *x;
    for (std::int64_t i = 0; i < count; ++i) out[i] = value(left, y[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) out[i] = value(x[i * x_step], y[i * y_step]);
  }
}

/// Elements that are worth another thread where they are moved more than computed with: what
/// another core wrote takes long to read.
inline constexpr std::int64_t kMovedGrain = 65536;

/// function(a, b) of each pair of elements into `dst`, which is contiguous and of a's and b's
/// shape.
template <class A, class B, class To, class Function>
void zip_into(const Tensor& a, const Tensor& b, Tensor dst, const Function& function,
              std::int64_t grain = kElementGrain) {
  const auto* x = static_cast<const A*>(a.raw());
  const auto* y = static_cast<const B*>(b.raw());
  auto* out = static_cast<To*>(dst.mutable_raw());
  parallel_for_each_run<3>(dst.shape(), {a.strides(), b.strides(), dst.strides()}, grain,
                           [&](const auto& offsets, std::int64_t count, const auto& strides) {
                             zip_run(x + offsets[0], strides[0], y + offsets[1], strides[1],
                                     out + offsets[2], count, function);
                           });
}

/// The same with broadcasting.
template <class A, class B, class To, class Function>
Tensor zip_elements(const Tensor& a, const Tensor& b, const Function& function) {
  const Shape shape = broadcast_shapes(a.shape(), b.shape());
  Tensor dst = Tensor::empty(shape, dtype_of<To>);
  zip_into<A, B, To>(a.expand(shape), b.expand(shape), dst, function);
  return dst;
}

inline void require_same_dtype(std::string_view operation, const Tensor& a, const Tensor& b) {
  require(a.dtype() == b.dtype(), "{}: dtypes differ: {} and {}", operation, a.dtype(), b.dtype());
}

}  // namespace quern::ops
