#include "ops/pooling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "core/visit.h"
#include "kernels/rows.h"
#include "ops/nan.h"
#include "ops/window_loops.h"
#include "quern/ops/reduction.h"
#include "quern/ops/shape.h"

namespace quern::ops {
namespace {

using backend::Pooling;
using backend::Slot;
using backend::Window;

DType pooled_in(DType dtype) {
  if (!is_floating(dtype)) return dtype;
  return dtype == DType::bf16 && backend::has_fast_bf16() ? DType::bf16 : DType::f32;
}

std::int64_t reach(std::int64_t kernel, std::int64_t dilation) {
  return dilation * (kernel - 1) + 1;
}

/// The pads at the end that make the last window end where they do.
Window with_exact_end(const PoolArgs& args) {
  Window window = args.window;
  for (int axis = 0; axis < args.kernel.rank(); ++axis) {
    const std::int64_t last = (args.dst.shape()[axis + 2] - 1) * window.strides[axis];
    const std::int64_t end =
        last - window.pads_begin[axis] + reach(args.kernel[axis], window.dilations[axis]);
    window.pads_end[axis] = std::max<std::int64_t>(end - args.src.shape()[axis + 2], 0);
  }
  return window;
}

bool every_window_has_elements(const PoolArgs& args) {
  for (int axis = 0; axis < args.kernel.rank(); ++axis) {
    const std::int64_t kernel = args.kernel[axis];
    const Tensor table = window_places(args.src.shape()[axis + 2], args.dst.shape()[axis + 2],
                                       kernel, args.window, axis);
    const auto places = table.data<std::int64_t>();
    for (auto first = places.begin(); first != places.end(); first += kernel) {
      if (std::all_of(first, first + kernel, [](std::int64_t place) { return place < 0; }))
        return false;
    }
  }
  return true;
}

bool is_everything(const PoolArgs& args) {
  for (int axis = 0; axis < args.kernel.rank(); ++axis) {
    if (args.kernel[axis] != args.src.shape()[axis + 2] || args.dst.shape()[axis + 2] != 1 ||
        args.window.pads_begin[axis] != 0 || args.window.dilations[axis] != 1)
      return false;
  }
  return true;
}

/// The mean of an image whose places are rows of its channels: groups of rows are summed first, so
/// that threads share them and the sums round less.
bool run_mean_of_rows(const PoolArgs& args) {
  constexpr std::int64_t kGroup = 64;
  const std::int64_t channels = args.src.dim(1);
  if (args.operation == Pooling::max || args.src.dtype() != DType::f32 || !is_everything(args) ||
      !is_channels_last(args.src) || !is_channels_last(args.dst))
    return false;
  const std::int64_t places = args.src.numel() / (args.src.dim(0) * channels);
  Tensor sums = Tensor::empty({(places + kGroup - 1) / kGroup, channels});
  float* partial = sums.mutable_data<float>().data();
  const auto* src = static_cast<const float*>(args.src.raw());
  auto* dst = static_cast<float*>(Tensor(args.dst).mutable_raw());
  for (std::int64_t image = 0; image < args.src.dim(0); ++image) {
    kernels::sum_rows(src + image * places * channels, places, channels, kGroup, 1.f, partial);
    kernels::sum_rows(partial, sums.dim(0), channels, sums.dim(0), 1.f / static_cast<float>(places),
                      dst + image * channels);
  }
  return true;
}

bool run_onednn(const PoolArgs& args) {
  if (args.src.dtype() == DType::f64 || !every_window_has_elements(args)) return false;
  const Window window = with_exact_end(args);
  const Shape& given = args.window.pads_end;
  const bool beyond_pads =
      !std::equal(given.begin(), given.end(), window.pads_end.begin(),
                  [](std::int64_t pads, std::int64_t needed) { return needed <= pads; });
  if (args.operation == Pooling::average_with_pads && beyond_pads) return false;
  const DType dtype = pooled_in(args.src.dtype());
  const auto operation = backend::try_prepare(backend::PoolDesc{
      backend::channels_last_desc(dtype, args.src.shape()),
      backend::channels_last_desc(dtype, args.dst.shape()), args.operation, args.kernel, window});
  if (!operation) return false;
  const Tensor src = in_layout(args.src, dtype, Layout::channels_last);
  // oneDNN overlooks NaN, and its maximum is never below the lowest finite value.
  const bool is_max = args.operation == Pooling::max;
  if (is_max && is_floating(dtype) && !all_finite(src.raw(), src.numel(), dtype)) return false;
  const bool in_place = is_channels_last(args.dst) && args.dst.dtype() == dtype;
  const Tensor dst = in_place ? args.dst : empty_in(Layout::channels_last, args.dst.shape(), dtype);
  operation->run({{Slot::src, src.raw()}, {Slot::dst, dst.raw()}});
  if (!in_place) copy_into(dst, args.dst);
  return true;
}

/// For each place of the result, `window(source plane, place)` of T gives its value.
template <class T, class WindowValue>
void for_each_place(const WindowLoops& loops, const Tensor& src_tensor, const Tensor& dst,
                    const WindowValue& window_value) {
  const Tensor dense = src_tensor.contiguous();
  const T* src = dense.data<T>().data();
  Tensor result = Tensor::empty(dst.shape(), dst.dtype());
  visit_dtype(dst.dtype(), [&](auto tag) {
    using Dst = typename decltype(tag)::type;
    if constexpr (is_number<Dst>) {
      Dst* out = result.mutable_data<Dst>().data();
      const std::int64_t plane = loops.dst_plane();
      parallel_for(dst.numel(), 256, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const auto value = window_value(src + i / plane * loops.src_plane(), i % plane);
          out[i] = static_cast<Dst>(static_cast<Compute<Dst>>(value));
        }
      });
    }
  });
  copy_into(result, dst);
}

/// The place of the first largest element, or of a NaN; -1 where there is none.
template <class T>
std::int64_t largest(const WindowLoops& loops, const T* src, std::int64_t place) {
  std::int64_t best = -1;
  loops.for_each(place, [&](std::int64_t at, std::int64_t) {
    using Wide = Compute<T>;
    const auto value = static_cast<Wide>(src[at]);
    const auto top = best < 0 ? value : static_cast<Wide>(src[best]);
    if (best < 0 || value > top || (value != value && top == top)) best = at;
  });
  return best;
}

template <class T>
constexpr Compute<T> lowest() {
  using Wide = Compute<T>;
  return std::is_floating_point_v<Wide> ? -std::numeric_limits<Wide>::infinity()
                                        : std::numeric_limits<Wide>::lowest();
}

template <class T>
void pool_largest(const PoolArgs& args, const WindowLoops& loops) {
  for_each_place<T>(loops, args.src, args.dst, [&](const T* src, std::int64_t place) {
    const std::int64_t at = largest(loops, src, place);
    return at < 0 ? lowest<T>() : static_cast<Compute<T>>(src[at]);
  });
}

/// Windows over a source that reaches as far as the pads.
WindowLoops loops_with_pads(const PoolArgs& args) {
  Window window = args.window;
  Shape src = args.src.shape();
  for (int axis = 0; axis < args.kernel.rank(); ++axis) {
    src[axis + 2] += window.pads_begin[axis] + window.pads_end[axis];
    window.pads_begin[axis] = 0;
  }
  return {src, args.dst.shape(), args.kernel, window};
}

template <class T>
void pool_average(const PoolArgs& args, const WindowLoops& loops) {
  const WindowLoops counted =
      args.operation == Pooling::average_with_pads ? loops_with_pads(args) : loops;
  for_each_place<T>(loops, args.src, args.dst, [&](const T* src, std::int64_t place) {
    double total = 0;
    std::int64_t count = 0;
    loops.for_each(place, [&](std::int64_t at, std::int64_t) {
      total += static_cast<double>(static_cast<Compute<T>>(src[at]));
    });
    counted.for_each(place, [&](std::int64_t, std::int64_t) { ++count; });
    return count == 0 ? 0.0 : total / static_cast<double>(count);
  });
}

bool run_reference(const PoolArgs& args) {
  const WindowLoops loops(args.src.shape(), args.dst.shape(), args.kernel, args.window);
  visit_numeric("pool", args.src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    args.operation == Pooling::max ? pool_largest<T>(args, loops) : pool_average<T>(args, loops);
  });
  return true;
}

constexpr Implementation<PoolArgs> kPoolingImplementations[] = {
    {"mean_of_rows", run_mean_of_rows}, {"onednn", run_onednn}, {"reference", run_reference}};

void check_dtype(const char* operation, Pooling kind, DType dtype) {
  const bool bytes = dtype == DType::i8 || dtype == DType::u8;
  if (!is_floating(dtype) && !(bytes && kind == Pooling::max))
    fail(ErrorCode::unsupported, "{}: dtype {} is not supported", operation, dtype);
}

const char* name_of(PoolKind kind) { return kind == PoolKind::max ? "max_pool" : "avg_pool"; }

Pooling operation_of(PoolKind kind) {
  constexpr Pooling kOperations[] = {Pooling::max, Pooling::average_of_elements,
                                     Pooling::average_with_pads};
  return kOperations[static_cast<int>(kind)];
}

// All of the spatial axes as one, channels last where they are.
Tensor as_line(const char* name, const Tensor& x) {
  require(x.rank() >= 2, "{}: expected [batch, channels, ...], got {}", name, x.shape());
  std::int64_t places = 1;
  for (int axis = 2; axis < x.rank(); ++axis) places *= x.shape()[axis];
  require(places > 0, "{}: no places in {}", name, x.shape());
  if (!is_channels_last(x)) return x.reshape({x.dim(0), x.dim(1), places});
  Shape places_first{0};
  for (int axis = 2; axis < x.rank(); ++axis) places_first.push_back(axis);
  places_first.push_back(1);
  return x.permute(places_first).reshape({x.dim(0), places, x.dim(1)}).transpose(1, 2);
}

Tensor with_unit_axes(const Tensor& pooled, int rank) {
  Shape shape = Shape::filled(rank, 1);
  shape[0] = pooled.dim(0);
  shape[1] = pooled.dim(1);
  return pooled.reshape(shape);
}

}  // namespace

std::span<const Implementation<PoolArgs>> pool_implementations() { return kPoolingImplementations; }

Window pool_window(const char* operation, const Shape& src, const PoolOptions& options) {
  return resolve_window(operation, spatial_rank(operation, src), options.strides, options.dilations,
                        options.pads_begin, options.pads_end);
}

Shape pool_shape(const char* operation, const Shape& src, const PoolOptions& options) {
  const Window window = pool_window(operation, src, options);
  require(options.kernel.rank() == src.rank() - 2, "{}: kernel {} for source {}", operation,
          options.kernel, src);
  resolve_values(operation, "kernel", src.rank() - 2, options.kernel, 1, 1);
  Shape dst{src[0], src[1]};
  for (int axis = 0; axis < options.kernel.rank(); ++axis) {
    const std::int64_t stride = window.strides[axis];
    const std::int64_t padded = src[axis + 2] + window.pads_begin[axis] + window.pads_end[axis];
    const std::int64_t room = padded - reach(options.kernel[axis], window.dilations[axis]);
    require(src[axis + 2] > 0 && (room >= 0 || (options.ceil_mode && room > -stride)),
            "{}: source {} is too small for kernel {}", operation, src, options.kernel);
    std::int64_t size = room >= 0 ? room / stride + 1 : 0;
    if (options.ceil_mode && room % stride != 0) {
      if (size * stride < src[axis + 2] + window.pads_begin[axis]) ++size;
    }
    require(size > 0, "{}: source {} is too small for kernel {}", operation, src, options.kernel);
    dst.push_back(size);
  }
  return dst;
}

void pool_into(PoolKind kind, const Tensor& x, const PoolOptions& options, const Tensor& dst) {
  const char* name = name_of(kind);
  check_dtype(name, operation_of(kind), x.dtype());
  const Shape shape = pool_shape(name, x.shape(), options);
  require(dst.shape() == shape && dst.dtype() == x.dtype(), "{}: result is {} {}, expected {} {}",
          name, dst.dtype(), dst.shape(), x.dtype(), shape);
  if (dst.numel() == 0) return;
  run_first(pool_implementations(), PoolArgs{operation_of(kind), x, dst, options.kernel,
                                             pool_window(name, x.shape(), options)});
}

Tensor pool(PoolKind kind, const Tensor& x, const PoolOptions& options, Layout layout) {
  const Tensor dst = empty_in(layout, pool_shape(name_of(kind), x.shape(), options), x.dtype());
  pool_into(kind, x, options, dst);
  return dst;
}

Tensor max_pool(const Tensor& x, const PoolOptions& options) {
  return pool(PoolKind::max, x, options, Layout::contiguous);
}

MaxPoolResult max_pool_with_indices(const Tensor& x, const PoolOptions& options) {
  const char* name = "max_pool";
  check_dtype(name, Pooling::max, x.dtype());
  const Shape shape = pool_shape(name, x.shape(), options);
  const WindowLoops loops(x.shape(), shape, options.kernel, pool_window(name, x.shape(), options));
  MaxPoolResult result{Tensor::empty(shape, x.dtype()), Tensor::empty(shape, DType::i64)};
  if (shape.numel() == 0) return result;
  run_reference(
      {Pooling::max, x, result.values, options.kernel, pool_window(name, x.shape(), options)});
  visit_numeric(name, x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_place<T>(loops, x, result.indices,
                      [&](const T* src, std::int64_t place) { return largest(loops, src, place); });
  });
  return result;
}

Tensor avg_pool(const Tensor& x, const PoolOptions& options, AverageOver over) {
  const bool elements = over == AverageOver::elements;
  return pool(elements ? PoolKind::average_of_elements : PoolKind::average_with_pads, x, options,
              Layout::contiguous);
}

Tensor lp_pool(const Tensor& x, float p, const PoolOptions& options) {
  const char* name = "lp_pool";
  require(p > 0, "lp_pool: p {} must be positive", p);
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "{}: expected a floating dtype, got {}", name, x.dtype());
  const Tensor dst = Tensor::empty(pool_shape(name, x.shape(), options), x.dtype());
  if (dst.numel() == 0) return dst;
  const WindowLoops loops(x.shape(), dst.shape(), options.kernel,
                          pool_window(name, x.shape(), options));
  visit_floating(name, x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_place<T>(loops, x, dst, [&](const T* src, std::int64_t place) {
      double total = 0;
      loops.for_each(place, [&](std::int64_t at, std::int64_t) {
        total += std::pow(std::abs(static_cast<double>(src[at])), static_cast<double>(p));
      });
      return std::pow(total, 1.0 / static_cast<double>(p));
    });
  });
  return dst;
}

Tensor global_max_pool(const Tensor& x) {
  const Tensor line = as_line("global_max_pool", x);
  return with_unit_axes(max_pool(line, {.kernel = {line.dim(2)}}), x.rank());
}

Tensor global_avg_pool(const Tensor& x) {
  const Tensor line = as_line("global_avg_pool", x);
  return with_unit_axes(avg_pool(line, {.kernel = {line.dim(2)}}), x.rank());
}

Tensor global_lp_pool(const Tensor& x, float p) {
  const Tensor line = as_line("global_lp_pool", x);
  return with_unit_axes(lp_pool(line, p, {.kernel = {line.dim(2)}}), x.rank());
}

Tensor adaptive_avg_pool(const Tensor& x, const Shape& sizes) {
  const int rank = spatial_rank("adaptive_avg_pool", x.shape());
  const Shape wanted = resolve_values("adaptive_avg_pool", "sizes", rank, sizes, 1, 1);
  require(sizes.rank() == rank, "adaptive_avg_pool: sizes {} for source {}", sizes, x.shape());
  Tensor pooled = x;
  const DType wide = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  if (is_floating(x.dtype())) pooled = x.cast(wide);
  for (int axis = 0; axis < rank; ++axis) {
    const std::int64_t size = x.shape()[axis + 2];
    require(size > 0, "adaptive_avg_pool: no places in {}", x.shape());
    std::vector<Tensor> places;
    for (std::int64_t i = 0; i < wanted[axis]; ++i) {
      const std::int64_t begin = i * size / wanted[axis];
      const std::int64_t end = ((i + 1) * size + wanted[axis] - 1) / wanted[axis];
      const int along[] = {axis + 2};
      places.push_back(mean(pooled.slice(axis + 2, begin, end), along, true));
    }
    pooled = concat(places, axis + 2);
  }
  return pooled.cast(x.dtype());
}

}  // namespace quern::ops
