#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "serve/http/message.h"

namespace quern::serve {

inline constexpr std::string_view kJson = "application/json";

/// An answer that says what is wrong with a request, in the shape of OpenAI's errors.
class ApiError : public std::runtime_error {
 public:
  struct Details {
    std::string type = "invalid_request_error";
    std::string param = {};  ///< the member of the request that is wrong; empty: null
    std::string code = {};   ///< empty: null
    Headers headers = {};    ///< to be sent with it
  };

  ApiError(int status, const std::string& message, Details details)
      : std::runtime_error(message), status_(status), details_(std::move(details)) {}

  int status() const noexcept { return status_; }
  const Details& details() const noexcept { return details_; }
  std::string body() const;

 private:
  int status_;
  Details details_;
};

/// What is wrong with a member of a request: 400.
ApiError bad_member(std::string_view param, const std::string& message);

/// The body of an error that needs no more than its status.
std::string error_body(int status, std::string_view message);
/// It, as what the transport answers where it refuses.
Content error_content(int status, std::string_view message);

}  // namespace quern::serve
