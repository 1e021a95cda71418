#include "kernels/targets.h"

#include <cstdint>

#include "core/runtime.h"
#include "kernels/simd.h"

namespace quern::kernels {
namespace {

/// The last target that an x86 CPU may run under the cap; a lower bit is a newer instruction set.
std::int64_t newest_target(Isa cap) {
  switch (cap) {
    case Isa::baseline:
      return HWY_STATIC_TARGET;
    case Isa::avx2:
      return HWY_AVX2;
    case Isa::avx512:
      return HWY_AVX3;
    case Isa::avx512_vnni:
      return HWY_AVX3_DL;
    case Isa::automatic:
    case Isa::avx512_bf16:
    case Isa::amx:
      break;
  }
  return 1;
}

bool cap_targets() {
  const std::int64_t newest = newest_target(settle_max_isa());
  if (HWY_ARCH_X86 && newest > 1) hwy::DisableTargets(newest - 1);
  return true;
}

}  // namespace

void settle_targets() { [[maybe_unused]] static const bool done = cap_targets(); }

}  // namespace quern::kernels
