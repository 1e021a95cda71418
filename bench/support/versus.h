#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>

namespace quern::bench {

/// One measurement: what quern does against the same work done by a peer.
struct Case {
  std::string name;
  double operations = 0;  ///< arithmetic of one call
  double bytes = 0;       ///< memory that one call must touch
  /// Each prepares its side and gives the call to be timed.
  std::function<std::function<void()>()> quern, peer;
};

/// How much more than the peer a call of quern may take in the median: the larger of the two.
struct Allowance {
  double share = 0.05;
  double seconds = 3e-6;
};

void add_case(Case added);

/// Runs both sides of every case one right after the other, in turns that change who is first, and
/// prints the peer's median time, quern's as that and the median of what it took more in the same
/// turn (what slows the machine for a while slows both), GFLOP/s, GB/s and ratios (more than 1
/// where quern is faster), and the cases beyond the allowance. Takes Google Benchmark's options and
/// `--json=FILE`, to which rows of name, both sides' calls per second and ratio are written.
/// Returns the program's exit code: 1 beyond the allowance.
int run_cases(int argc, char** argv, const Allowance& allowance);

}  // namespace quern::bench
