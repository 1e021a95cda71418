#include "serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "serve/error.h"

namespace quern::serve {
namespace {

std::string_view type_text(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    default:
      return "histogram";
  }
}

std::string escape(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\' || c == '"') result.push_back('\\');
    result += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return result;
}

/// `a="b",c="d"`
std::string join(const Labels& labels) {
  std::string result;
  for (const auto& [name, value] : labels) {
    fmt::format_to(std::back_inserter(result), "{}{}=\"{}\"", result.empty() ? "" : ",", name,
                   escape(value));
  }
  return result;
}

std::string braced(std::string_view labels, std::string_view more = {}) {
  if (labels.empty() && more.empty()) return {};
  return fmt::format("{{{}{}{}}}", labels, labels.empty() || more.empty() ? "" : ",", more);
}

}  // namespace

void Metrics::declare(std::string name, MetricType type, std::string help,
                      std::vector<double> bounds) {
  const std::lock_guard lock(mutex_);
  metrics_[std::move(name)] = {type, std::move(help), std::move(bounds), {}, {}};
}

Metrics::Metric& Metrics::find(std::string_view name) {
  const auto found = metrics_.find(name);
  if (found == metrics_.end()) fail(ErrorCode::internal, "metrics: \"{}\" is not declared", name);
  return found->second;
}

void Metrics::add(std::string_view name, const Labels& labels, double value) {
  const std::lock_guard lock(mutex_);
  find(name).values[join(labels)] += value;
}

void Metrics::set(std::string_view name, const Labels& labels, double value) {
  const std::lock_guard lock(mutex_);
  find(name).values[join(labels)] = value;
}

void Metrics::observe(std::string_view name, const Labels& labels, double value) {
  const std::lock_guard lock(mutex_);
  Metric& metric = find(name);
  Histogram& histogram = metric.histograms[join(labels)];
  histogram.counts.resize(metric.bounds.size() + 1);
  const auto bucket = std::ranges::lower_bound(metric.bounds, value) - metric.bounds.begin();
  ++histogram.counts[static_cast<std::size_t>(bucket)];
  histogram.sum += value;
}

std::string Metrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string result;
  const auto out = std::back_inserter(result);
  for (const auto& [name, metric] : metrics_) {
    fmt::format_to(out, "# HELP {} {}\n# TYPE {} {}\n", name, metric.help, name,
                   type_text(metric.type));
    for (const auto& [labels, value] : metric.values) {
      fmt::format_to(out, "{}{} {}\n", name, braced(labels), value);
    }
    for (const auto& [labels, histogram] : metric.histograms) {
      std::int64_t count = 0;
      for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
        count += histogram.counts[i];
        const std::string bound =
            i < metric.bounds.size() ? fmt::format("le=\"{}\"", metric.bounds[i]) : "le=\"+Inf\"";
        fmt::format_to(out, "{}_bucket{} {}\n", name, braced(labels, bound), count);
      }
      fmt::format_to(out, "{}_sum{} {}\n{}_count{} {}\n", name, braced(labels), histogram.sum, name,
                     braced(labels), count);
    }
  }
  return result;
}

}  // namespace quern::serve
