#include "serve/origin.h"

#include <fmt/format.h>

#include <algorithm>

#include "serve/api_error.h"

namespace quern::serve {
namespace {

bool is_allowed(const Service& service, std::string_view origin) {
  const auto& allowed = service.config.cors_origins;
  return std::ranges::find(allowed, origin) != allowed.end() ||
         std::ranges::find(allowed, "*") != allowed.end();
}

/// "localhost" of "localhost:8080", "[::1]" of "[::1]:8080".
std::string_view without_port(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
  return has_port ? host.substr(0, colon) : host;
}

bool is_of_this_machine(const Service& service, std::string_view host) {
  host = without_port(host);
  const bool loopback_v4 =
      host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
  return loopback_v4 || host == "localhost" || host == "[::1]" || host == service.config.host;
}

}  // namespace

void check_origin(const Service& service, const Request& request) {
  if (service.meter.asks_for_keys()) return;
  const std::string_view host = request.header("host");
  if (!host.empty() && !is_of_this_machine(service, host)) {
    throw ApiError(403, "without keys, only requests to a name of this machine are served",
                   {.code = "host_not_allowed"});
  }
  const std::string_view origin = request.header("origin");
  const bool own =
      origin == fmt::format("http://{}", host) || origin == fmt::format("https://{}", host);
  if (!origin.empty() && !own && !is_allowed(service, origin)) {
    throw ApiError(403, "pages of this origin are not served", {.code = "origin_not_allowed"});
  }
}

void allow_origin(const Service& service, const Request& request, Reply& reply) {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !is_allowed(service, origin)) return;
  reply.set_header("Access-Control-Allow-Origin", origin);
  reply.set_header("Vary", "Origin");
  reply.set_header("Access-Control-Expose-Headers",
                   "Inference-Header-Content-Length, Retry-After, X-Request-Id");
  if (request.method == "OPTIONS") {
    reply.set_header("Access-Control-Allow-Methods", "GET, POST");
    reply.set_header("Access-Control-Allow-Headers",
                     "Authorization, Content-Type, Inference-Header-Content-Length");
    reply.set_header("Access-Control-Max-Age", "600");
    reply.send(204, "text/plain", "");
  }
}

}  // namespace quern::serve
