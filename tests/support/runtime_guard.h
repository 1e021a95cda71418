#pragma once

#include "quern/runtime.h"

namespace quern {

/// Puts the process's settings back at the end of a test.
class RuntimeGuard {
 public:
  RuntimeGuard() = default;
  RuntimeGuard(const RuntimeGuard&) = delete;
  RuntimeGuard& operator=(const RuntimeGuard&) = delete;
  ~RuntimeGuard() { configure(before_); }

  const RuntimeOptions& before() const noexcept { return before_; }

 private:
  RuntimeOptions before_ = runtime_options();
};

}  // namespace quern
