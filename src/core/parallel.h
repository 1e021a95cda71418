#pragma once

#include <cstdint>
#include <type_traits>

namespace quern {

namespace detail {
using RangeBody = void (*)(const void* context, std::int64_t begin, std::int64_t end);
void parallel_ranges(std::int64_t count, std::int64_t grain, RangeBody body, const void* context);
}  // namespace detail

/// Calls `body(begin, end)` on ranges that cover [0, count), on oneDNN's own team of threads (an
/// OpenMP team), each range of `grain` items or more. Runs inline where one range is enough or the
/// caller is already on the team. The first exception of a body is rethrown here.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
  detail::parallel_ranges(
      count, grain,
      [](const void* context, std::int64_t begin, std::int64_t end) {
        (*static_cast<const std::remove_reference_t<Body>*>(context))(begin, end);
      },
      &body);
}

/// Ends the threads that work for this one, until it needs them again. Each thread that calls
/// `parallel_for` has a team of its own, and once there are more threads than CPUs the runtime lets
/// all of them sleep and wake at every call, which costs more than most calls do. So a thread that
/// hands its work to another leaves its team.
void leave_team() noexcept;

/// Makes oneDNN calls of this scope on this thread use `threads` threads; 0: `thread_count()`.
class TeamScope {
 public:
  explicit TeamScope(int threads = 0) noexcept;
  ~TeamScope();
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

 private:
  int before_;
};

}  // namespace quern
