#pragma once

#include "quern/runtime.h"

namespace quern {

/// `configure`, under the ISA cap that the tests run with.
inline void reconfigure(RuntimeOptions options) {
  options.max_isa = runtime_options().max_isa;
  configure(options);
}

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
