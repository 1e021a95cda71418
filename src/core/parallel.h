#pragma once

#include <cstdint>
#include <type_traits>

namespace quern {

namespace detail {
using SliceBody = void (*)(const void* context, int slice, int lane);
void run_slices(int slices, SliceBody body, const void* context);

using RangeBody = void (*)(const void* context, std::int64_t begin, std::int64_t end);
void parallel_ranges(std::int64_t count, std::int64_t grain, RangeBody body, const void* context);
}  // namespace detail

/// Calls `body(slice, lane)` once for each slice in [0, slices), on the caller and on the helper
/// threads that the process's callers share, at most `thread_count()` together. Who is free takes
/// what nobody has begun, in order, so the caller never waits for a thread that has not started.
/// No two calls at once have the same lane, which is below `lanes_of(slices)`: scratch memory may
/// be kept by it. Runs inline within another such call. Ends when all slices have; the first
/// exception of a body is rethrown then.
///
/// Helpers wait awake for `RuntimeOptions::spin_microseconds`, and then sleep. A forked child
/// starts helpers of its own.
template <class Body>
void parallel_slices(int slices, const Body& body) {
  detail::run_slices(
      slices,
      [](const void* context, int slice, int lane) {
        (*static_cast<const std::remove_reference_t<Body>*>(context))(slice, lane);
      },
      &body);
}
int lanes_of(int slices) noexcept;

/// Calls `body(begin, end)` on ranges that cover [0, count), each of `grain` items or more, by
/// parallel_slices.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
  detail::parallel_ranges(
      count, grain,
      [](const void* context, std::int64_t begin, std::int64_t end) {
        (*static_cast<const std::remove_reference_t<Body>*>(context))(begin, end);
      },
      &body);
}

}  // namespace quern
