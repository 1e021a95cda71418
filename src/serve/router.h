#pragma once

#include "serve/http/message.h"
#include "serve/service.h"

namespace quern::serve {

/// Answers a request by the route of its path: checks the key, gives the request an id, turns
/// errors into answers, and counts. Throws nothing.
void route(Service& service, Request& request, Reply& reply);

}  // namespace quern::serve
