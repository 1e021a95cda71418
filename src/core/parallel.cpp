#include "core/parallel.h"

#include <algorithm>

#include "core/error.h"
#include "core/runtime.h"
#include "core/team.h"

namespace quern {
namespace {

struct Ranges {
  std::int64_t count;
  int ranges;
  detail::RangeBody body;
  const void* context;
};

void run_range(const void* context, int range, int) {
  const auto& work = *static_cast<const Ranges*>(context);
  work.body(work.context, work.count * range / work.ranges, work.count * (range + 1) / work.ranges);
}

}  // namespace

int lanes_of(int slices) noexcept { return std::max(1, std::min(slices, thread_count())); }

void detail::run_slices(int slices, SliceBody body, const void* context) {
  constexpr int kMost = (1 << 16) - 1;
  if (slices > kMost) fail(ErrorCode::internal, "parallel: {} slices", slices);
  Team::instance().run(slices, lanes_of(slices), body, context);
}

void detail::parallel_ranges(std::int64_t count, std::int64_t grain, RangeBody body,
                             const void* context) {
  if (count <= 0) return;
  const std::int64_t wanted = count / std::max<std::int64_t>(grain, 1);
  const int ranges = static_cast<int>(std::min<std::int64_t>(thread_count(), wanted));
  if (ranges <= 1) return body(context, 0, count);
  const Ranges work{count, ranges, body, context};
  run_slices(ranges, run_range, &work);
}

}  // namespace quern
