#include "serve/api_error.h"

#include <nlohmann/json.hpp>

namespace quern::serve {
namespace {

using Json = nlohmann::json;

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

std::string ApiError::body() const {
  const Json error{{"message", what()},
                   {"type", details_.type},
                   {"param", or_null(details_.param)},
                   {"code", or_null(details_.code)}};
  // What the client sent may be quoted, and need not be UTF-8.
  return Json{{"error", error}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ApiError bad_member(std::string_view param, const std::string& message) {
  return {400, message, {.param = std::string(param), .code = "invalid_value"}};
}

std::string error_body(int status, std::string_view message) {
  return ApiError(status, std::string(message),
                  {.type = status < 500 ? "invalid_request_error" : "server_error"})
      .body();
}

Content error_content(int status, std::string_view message) {
  return {std::string(kJson), error_body(status, message)};
}

}  // namespace quern::serve
