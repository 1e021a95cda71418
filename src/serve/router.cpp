#include "serve/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <new>
#include <optional>
#include <random>

#include "quern/error.h"
#include "serve/api_error.h"
#include "serve/origin.h"
#include "serve/refusal.h"
#include "serve/routes/table.h"

namespace quern::serve {
namespace {

constexpr int kClientLeft = 499;  // for a request that got no answer, as others count it
constexpr std::string_view kBearer = "bearer ";

std::string new_id() {
  std::random_device device;
  return fmt::format("req_{:08x}{:08x}{:08x}", device(), device(), device());
}

/// Whether a path is one of a route, and what stands in it for {}.
bool matches(std::string_view pattern, std::string_view path, std::string& name) {
  const std::size_t open = pattern.find("{}");
  if (open == std::string_view::npos) return pattern == path;
  const std::string_view before = pattern.substr(0, open);
  const std::string_view after = pattern.substr(open + 2);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) ||
      !path.ends_with(after)) {
    return false;
  }
  name = path.substr(before.size(), path.size() - before.size() - after.size());
  return true;
}

/// The key of an Authorization header, whose scheme may be written in any case; none: empty.
std::string_view bearer_key(std::string_view header) {
  const bool bearer = std::ranges::equal(header.substr(0, kBearer.size()), kBearer, {}, [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  if (!bearer) return {};
  return header.substr(std::min(header.find_first_not_of(' ', kBearer.size()), header.size()));
}

Caller authenticate(const Service& service, const Request& request) {
  if (!service.meter.asks_for_keys()) return {};
  const ApiError::Details details{.code = "invalid_api_key",
                                  .headers = {{"WWW-Authenticate", "Bearer"}}};
  const std::string_view key = bearer_key(request.header("authorization"));
  if (key.empty()) {
    throw ApiError(401, "an API key is required: Authorization: Bearer KEY", details);
  }
  auto caller = service.meter.authenticate(key);
  if (!caller) throw ApiError(401, "the API key is not valid", details);
  return *std::move(caller);
}

const Route& find_route(const Request& request, std::string& name) {
  const std::string_view method =
      request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string allowed;
  for (const Route& route : routes()) {
    if (!matches(route.path, request.path, name)) continue;
    if (route.method == method) return route;
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", route.method);
  }
  if (allowed.empty()) {
    throw ApiError(404, fmt::format("there is nothing at {}", request.path),
                   {.code = "unknown_url"});
  }
  throw ApiError(405, fmt::format("{} takes {}", request.path, allowed),
                 {.code = "method_not_allowed", .headers = {{"Allow", allowed}}});
}

ApiError as_api_error(const Error& error) {
  if (dynamic_cast<const LedgerError*>(&error) != nullptr) {
    return {
        503,
        "the ledger of requests is not available: try again later",
        {.type = "server_error", .code = "ledger_unavailable", .headers = {{"Retry-After", "1"}}}};
  }
  switch (error.code()) {
    case ErrorCode::invalid_argument:
      return {400, error.what(), {}};
    case ErrorCode::busy:
      return {503,
              "the server is busy: try again later",
              {.type = "server_error", .code = "overloaded", .headers = {{"Retry-After", "1"}}}};
    case ErrorCode::out_of_memory:
      return {503,
              "the server is out of memory: try again later",
              {.type = "server_error", .code = "overloaded", .headers = {{"Retry-After", "5"}}}};
    default:
      return {500, "the server failed", {.type = "server_error"}};
  }
}

/// Of a request whose body the transport does not take.
ApiError as_api_error(const Rejection& rejection) {
  if (rejection.status() < 500) return {rejection.status(), rejection.what(), {}};
  return {rejection.status(),
          rejection.what(),
          {.type = "server_error", .code = "overloaded", .headers = {{"Retry-After", "1"}}}};
}

void check_encoding(const Request& request) {
  const std::string_view encoding = request.header("content-encoding");
  if (encoding.empty() || encoding == "identity") return;
  throw ApiError(415,
                 fmt::format("a body in the encoding \"{}\" is not taken: send it plain", encoding),
                 {.code = "unsupported_encoding", .headers = {{"Accept-Encoding", "identity"}}});
}

void send(Reply& reply, const ApiError& error) {
  if (reply.begun()) return;  // the answer breaks off
  for (const auto& [name, value] : error.details().headers) reply.set_header(name, value);
  reply.send(error.status(), kJson, error.body());
}

void answer(Exchange& exchange, std::string_view& path) {
  check_origin(exchange.service, exchange.request);
  allow_origin(exchange.service, exchange.request, exchange.reply);
  if (exchange.reply.begun()) return;
  const Route& route = find_route(exchange.request, exchange.name);
  path = route.path;
  if (route.needs_key) exchange.caller = authenticate(exchange.service, exchange.request);
  if (route.metered) require_allowed(exchange.service.meter.enter(exchange.caller));
  check_encoding(exchange.request);
  exchange.request.read_body();
  route.answer(exchange);
}

}  // namespace

void route(Service& service, Request& request, Reply& reply) {
  Exchange exchange{service, request, reply, new_id()};
  reply.set_header("X-Request-Id", exchange.id);
  reply.set_header("X-Content-Type-Options", "nosniff");
  std::string_view path = "none";
  try {
    answer(exchange, path);
  } catch (const ApiError& error) {
    send(reply, error);
  } catch (const Rejection& rejection) {
    send(reply, as_api_error(rejection));
  } catch (const Error& error) {
    send(reply, as_api_error(error));
  } catch (const std::bad_alloc&) {
    send(reply, as_api_error(Error(ErrorCode::out_of_memory, "")));
  } catch (const std::exception&) {
    send(reply, ApiError(500, "the server failed", {.type = "server_error"}));
  }
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - request.started;
  const Labels labels{{"route", std::string(path)}};
  service.metrics.observe("quern_request_seconds", labels, time.count());
  service.metrics.add("quern_requests_total",
                      {{"route", std::string(path)},
                       {"status", std::to_string(reply.begun() ? reply.status() : kClientLeft)}});
}

}  // namespace quern::serve
