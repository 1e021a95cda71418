#pragma once

#include "serve/http/message.h"
#include "serve/service.h"

namespace quern::serve {

/// Guards a server that asks for no keys against pages of other sites, which a browser of this
/// machine may show: the Host must be a name of this machine (or a page could have its own name
/// resolve to it), and the Origin, where there is one, the server's own or one that the
/// configuration names. Throws: ApiError 403.
void check_origin(const Service& service, const Request& request);

/// Lets pages of the origins that the configuration names read the answer; answers their preflight.
void allow_origin(const Service& service, const Request& request, Reply& reply);

}  // namespace quern::serve
