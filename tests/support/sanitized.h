#pragma once

#include <type_traits>

namespace quern {

// GCC says so by a macro, Clang by a feature.
#if defined(__SANITIZE_THREAD__)
#define QUERN_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define QUERN_TEST_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define QUERN_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUERN_TEST_ASAN 1
#endif
#endif

#ifdef QUERN_TEST_TSAN
inline constexpr bool kThreadSanitized = true;
#else
inline constexpr bool kThreadSanitized = false;
#endif
#ifdef QUERN_TEST_ASAN
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = kThreadSanitized;
#endif

/// How much of the same a test does: the thread sanitizer makes a call of each access, and finds
/// faults in how threads share, which the hundredth of its kind within one thread does not change.
template <class T>
constexpr T usually(T count, std::type_identity_t<T> under_thread_sanitizer) {
  return kThreadSanitized ? under_thread_sanitizer : count;
}

}  // namespace quern
