// What every kernel includes once for each target, after foreach_target.h.
#include <hwy/highway.h>

// Highway 1.0's target with VNNI does not enable the instructions themselves. Its own functions,
// which ask for less, still inline into ours.
#undef QUERN_BEFORE_NAMESPACE
#if HWY_TARGET == HWY_AVX3_DL
#define QUERN_BEFORE_NAMESPACE()                    \
  HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni") \
  static_assert(true, "For requiring trailing semicolon")
#else
#define QUERN_BEFORE_NAMESPACE() HWY_BEFORE_NAMESPACE()
#endif
