#include "support/versus.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace quern::bench {
namespace {

enum Side { kQuern, kPeer };

constexpr int kTurns = 15;

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

std::string run_name(const Case& measured, Side side) {
  return measured.name + (side == kQuern ? " quern" : " peer");
}

/// Keeps the seconds of a call of each turn, by name.
class Recorder : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.iterations == 0) continue;
      seconds_[run.run_name.function_name].push_back(run.real_accumulated_time /
                                                     static_cast<double>(run.iterations));
    }
  }
  const std::vector<double>& seconds_of(const std::string& name) { return seconds_[name]; }

 private:
  std::map<std::string, std::vector<double>> seconds_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[values.size() / 2] + values[(values.size() - 1) / 2]) / 2;
}

/// What quern took more than the peer in the same turn, in the median.
double median_excess(const std::vector<double>& ours, const std::vector<double>& theirs) {
  std::vector<double> excess(std::min(ours.size(), theirs.size()));
  for (std::size_t turn = 0; turn < excess.size(); ++turn) excess[turn] = ours[turn] - theirs[turn];
  return median(std::move(excess));
}

void run_side(benchmark::State& state, const std::function<std::function<void()>()>& prepare) {
  const std::function<void()> call = prepare();
  call();
  for (auto _ : state) call();
}

void write_json(const std::string& path, const std::vector<std::string>& rows) {
  std::ofstream(path) << fmt::format("[\n  {}\n]\n", fmt::join(rows, ",\n  "));
}

int report(Recorder& recorder, const Allowance& allowance, const std::string& json) {
  std::vector<std::string> rows, slow;
  fmt::print("{:28} {:>12} {:>12} {:>7} {:>10} {:>8}\n", "", "quern us", "peer us", "ratio",
             "GFLOP/s", "GB/s");
  for (const Case& measured : cases()) {
    const std::vector<double>& our_times = recorder.seconds_of(run_name(measured, kQuern));
    const std::vector<double>& their_times = recorder.seconds_of(run_name(measured, kPeer));
    if (our_times.empty() || their_times.empty()) continue;
    const double theirs = median(their_times);
    const double ours = theirs + median_excess(our_times, their_times);
    const bool within = ours - theirs <= std::max(theirs * allowance.share, allowance.seconds);
    if (!within) slow.push_back(measured.name);
    fmt::print("{:28} {:12.2f} {:12.2f} {:7.3f} {:10.1f} {:8.2f}{}\n", measured.name, ours * 1e6,
               theirs * 1e6, theirs / ours, measured.operations / ours * 1e-9,
               measured.bytes / ours * 1e-9, within ? "" : "  slow");
    rows.push_back(
        fmt::format(R"({{"name": "{}", "quern": {:.6g}, "peer": {:.6g}, "ratio": {:.4f}}})",
                    measured.name, 1 / ours, 1 / theirs, theirs / ours));
  }
  if (!json.empty()) write_json(json, rows);
  fmt::print("\n{} of {} cases cost at most {:.0f} % or {:.0f} us more than the peer\n",
             rows.size() - slow.size(), rows.size(), allowance.share * 100,
             allowance.seconds * 1e6);
  return slow.empty() ? 0 : 1;
}

}  // namespace

void add_case(Case added) { cases().push_back(std::move(added)); }

int run_cases(int argc, char** argv, const Allowance& allowance) {
  std::string json;
  std::vector<char*> arguments;
  std::string min_time = "--benchmark_min_time=0.02";
  for (int i = 0; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.rfind("--json=", 0) == 0) {
      json = argument.substr(7);
    } else {
      arguments.push_back(argv[i]);
    }
    if (i == 0) arguments.push_back(min_time.data());
  }
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  for (int turn = 0; turn < kTurns; ++turn) {
    for (const Case& measured : cases()) {
      for (const Side side : {turn % 2 == 0 ? kQuern : kPeer, turn % 2 == 0 ? kPeer : kQuern}) {
        benchmark::RegisterBenchmark(run_name(measured, side).c_str(), run_side,
                                     side == kQuern ? measured.quern : measured.peer)
            ->UseRealTime();
      }
    }
  }
  Recorder recorder;
  benchmark::RunSpecifiedBenchmarks(&recorder);
  return report(recorder, allowance, json);
}

}  // namespace quern::bench
