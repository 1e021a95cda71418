#pragma once

// Which targets of Highway the kernels are compiled for. Every file of kernels that uses Highway
// includes this first, so that all of them agree.

// Opt-in up to Highway 1.1: the target that has AVX-512 VNNI.
#define HWY_WANT_AVX3_DL

// Vectors of unknown size cannot be members of structs or arrays, which these kernels rely on: Arm
// runs NEON. Between the x86-64 baseline and AVX2 nothing is worth its code.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)

#include <hwy/targets.h>
