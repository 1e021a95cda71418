#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quern::serve {

/// What is measured has a name and labels; labels are names of models and routes, never of clients.
using Labels = std::vector<std::pair<std::string, std::string>>;

enum class MetricType { counter, gauge, histogram };

/// Counters, gauges and histograms, written in Prometheus' text format.
///
/// Safe to use from several threads at once.
class Metrics {
 public:
  /// Declares a metric: what it is called and what it says. Histograms have upper bounds of
  /// buckets, ascending. Declared before it is used.
  void declare(std::string name, MetricType type, std::string help,
               std::vector<double> bounds = {});

  void add(std::string_view name, const Labels& labels, double value = 1);
  void set(std::string_view name, const Labels& labels, double value);
  void observe(std::string_view name, const Labels& labels, double value);

  std::string text() const;

 private:
  struct Histogram {
    std::vector<std::int64_t> counts;  ///< by bucket, the last beyond all bounds
    double sum = 0;
  };
  struct Metric {
    MetricType type = MetricType::counter;
    std::string help;
    std::vector<double> bounds;
    std::map<std::string, double> values;  ///< by labels, as written
    std::map<std::string, Histogram> histograms;
  };
  Metric& find(std::string_view name);

  mutable std::mutex mutex_;
  std::map<std::string, Metric, std::less<>> metrics_;
};

}  // namespace quern::serve
