#pragma once

#include "serve/api_error.h"
#include "serve/limits.h"

namespace quern::serve {

/// What is answered to a request that its plan does not allow.
ApiError refusal_of(const Decision& decision);

/// Throws: ApiError where it is a refusal.
void require_allowed(const Decision& decision);

/// Retry-After and x-ratelimit-{limit,remaining,reset}-{requests,tokens}: for every answer, allowed
/// or not.
Headers headers_of(const Decision& decision);

}  // namespace quern::serve
