#include "cli/terminal.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>

namespace quern::cli {
namespace {

template <std::size_t kUnits>
std::string scaled(double value, double base, const std::array<const char*, kUnits>& units) {
  std::size_t unit = 0;
  while (value >= base && unit + 1 < kUnits) {
    value /= base;
    ++unit;
  }
  char text[64];
  std::snprintf(text, sizeof text,
                value < 10 && unit > 0 ? "%.2f%s" : (value < 100 && unit > 0 ? "%.1f%s" : "%.0f%s"),
                value, units[unit]);
  return text;
}

}  // namespace

LoadProgress progress_bar(const std::string& label) {
  if (isatty(STDERR_FILENO) == 0) return {};
  const auto start = std::chrono::steady_clock::now();
  return [label, start, shown = false](double done) mutable {
    constexpr int kWidth = 30;
    constexpr std::chrono::milliseconds kNoticeable{200};
    if (done < 1 && std::chrono::steady_clock::now() - start > kNoticeable) {
      const auto filled = static_cast<std::size_t>(done * kWidth);
      std::cerr << "\r" << label << " [" << std::string(filled, '#')
                << std::string(kWidth - filled, '.') << "] " << static_cast<int>(done * 100) << "%"
                << std::flush;
      shown = true;
    } else if (done >= 1 && shown) {
      std::cerr << "\r\x1b[K" << std::flush;
    }
  };
}

std::string human_bytes(double bytes) {
  return scaled(bytes, 1000, std::array<const char*, 5>{" B", " kB", " MB", " GB", " TB"});
}

std::string human_count(double count) {
  return scaled(count, 1000, std::array<const char*, 5>{"", " K", " M", " B", " T"});
}

void configure_runtime(int threads, Isa max_isa) {
  configure({.threads = threads,
             .memory_limit = 0,
             .log =
                 [](LogLevel level, std::string_view message) {
                   if (level == LogLevel::warning) std::cerr << "quern: " << message << "\n";
                 },
             .max_isa = max_isa});
}

std::int64_t resident_bytes() {
  std::ifstream status("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  return status >> total >> resident ? resident * sysconf(_SC_PAGESIZE) : 0;
}

std::int64_t peak_resident_bytes() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? std::int64_t{usage.ru_maxrss} * 1024 : 0;
}

}  // namespace quern::cli
