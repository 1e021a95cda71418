#pragma once

#if (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 202002L
#error "quern needs C++20: compile with -std=c++20 (/std:c++20), or link quern::quern with CMake"
#endif
// Debug containers are other types: who builds quern with them too defines the second.
#if defined(_GLIBCXX_DEBUG) && !defined(QUERN_API_GLIBCXX_DEBUG)
#error "_GLIBCXX_DEBUG changes what std::vector is, and quern was built without it"
#endif

/// Marks what the shared library exports; everything else is hidden.
#if defined(_MSC_VER)
#define QUERN_API
#else
#define QUERN_API __attribute__((visibility("default")))
#endif
