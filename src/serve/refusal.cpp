#include "serve/refusal.h"

#include <fmt/format.h>

namespace quern::serve {
namespace {

constexpr const char* kTooFast = "rate_limit_exceeded";
constexpr const char* kQuota = "insufficient_quota";

/// "350ms", "7s", "6m0s", as the service that clients know says it.
std::string duration_text(std::chrono::milliseconds duration) {
  if (duration < std::chrono::seconds{1}) return fmt::format("{}ms", duration.count());
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(duration).count();
  return seconds < 60 ? fmt::format("{}s", seconds)
                      : fmt::format("{}m{}s", seconds / 60, seconds % 60);
}

}  // namespace

ApiError refusal_of(const Decision& decision) {
  const auto refusal = [&](int status, std::string type, std::string code,
                           const std::string& message) {
    return ApiError(
        status, message,
        {.type = std::move(type), .code = std::move(code), .headers = headers_of(decision)});
  };
  const auto too_fast = [&](const char* what) {
    return refusal(429, what, kTooFast,
                   fmt::format("You may use {} {} per minute; try again in {} s.", decision.most,
                               what, decision.retry_after->count()));
  };
  const auto used_up = [&](const char* what) {
    return refusal(429, kQuota, kQuota,
                   fmt::format("You have used the {} {} of this month.", decision.most, what));
  };
  switch (decision.passed) {
    case Limit::none:
      break;
    case Limit::requests_per_minute:
      return too_fast("requests");
    case Limit::tokens_per_minute:
      return too_fast("tokens");
    case Limit::tokens_at_once:
      return refusal(
          429, "tokens", kTooFast,
          fmt::format("The request asks for {} tokens at most, and you may use {} per minute.",
                      decision.asked, decision.most));
    case Limit::monthly_requests:
      return used_up("requests");
    case Limit::monthly_tokens:
      return used_up("tokens");
    case Limit::credit:
      return refusal(402, kQuota, "insufficient_credit",
                     "Your credit does not cover this request.");
    case Limit::model:
      return refusal(404, "invalid_request_error", "model_not_found",
                     fmt::format("The model '{}' does not exist or your plan does not have it.",
                                 decision.model));
    case Limit::plan:
      return refusal(403, "invalid_request_error", "plan_ended",
                     "The plan of this key is no longer offered.");
  }
  return {500, "the server failed", {.type = "server_error"}};
}

void require_allowed(const Decision& decision) {
  if (!decision.allowed()) throw refusal_of(decision);
}

Headers headers_of(const Decision& decision) {
  Headers headers;
  if (decision.retry_after) {
    headers.emplace_back("Retry-After", std::to_string(decision.retry_after->count()));
  }
  const auto add = [&](const std::optional<RateLimit>& rate, const std::string& what) {
    if (!rate) return;
    headers.emplace_back("x-ratelimit-limit-" + what, std::to_string(rate->limit));
    headers.emplace_back("x-ratelimit-remaining-" + what, std::to_string(rate->remaining));
    headers.emplace_back("x-ratelimit-reset-" + what, duration_text(rate->reset));
  };
  add(decision.requests, "requests");
  add(decision.tokens, "tokens");
  return headers;
}

}  // namespace quern::serve
