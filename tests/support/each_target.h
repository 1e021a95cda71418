#pragma once

#include <doctest/doctest.h>

#include <string>

#include "kernels/simd.h"
#include "kernels/targets.h"

#include <hwy/targets.h>

namespace quern {

/// Runs `body` once on each target that is compiled and that this machine can run.
template <class Body>
void on_each_target(const Body& body) {
  kernels::settle_targets();
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    INFO("target " << std::string(hwy::TargetName(target)));
    hwy::SetSupportedTargetsForTest(target);
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace quern
