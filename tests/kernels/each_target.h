#pragma once

#include <doctest/doctest.h>

#include <string>

#include "kernels/simd.h"
#include "kernels/targets.h"
#include "support/sanitized.h"

namespace quern {

/// Runs `body` once on each target that is compiled and that this machine can run; under the thread
/// sanitizer on the newest alone, for threads share alike on all.
template <class Body>
void on_each_target(const Body& body) {
  kernels::settle_targets();
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    INFO("target " << std::string(hwy::TargetName(target)));
    hwy::SetSupportedTargetsForTest(target);
    body();
    if (kThreadSanitized) break;
  }
  hwy::SetSupportedTargetsForTest(0);
}

/// Runs `body` on the newest target, and where that called a kernel that has targets, on each of
/// the others.
template <class Body>
void on_each_target_used(const Body& body) {
  kernels::settle_targets();
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    INFO("target " << std::string(hwy::TargetName(target)));
    hwy::SetSupportedTargetsForTest(target);  // no target is chosen until a kernel asks
    body();
    if (kThreadSanitized || !hwy::GetChosenTarget().IsInitialized()) break;
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace quern
