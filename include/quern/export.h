#pragma once

/// Marks what the shared library exports; everything else is hidden.
#if defined(_MSC_VER)
#define QUERN_API
#else
#define QUERN_API __attribute__((visibility("default")))
#endif
