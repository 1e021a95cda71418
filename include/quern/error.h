#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "quern/export.h"

namespace quern {

/// What kind of thing went wrong; the message says which operation, what was expected and got.
enum class ErrorCode {
  invalid_argument,  ///< the caller passed something the operation cannot take
  unsupported,       ///< valid, but this library or this machine cannot do it
  not_found,         ///< a file, a tensor or a name that does not exist
  corrupt_file,      ///< a file whose bytes break its own format; the message gives the offset
  out_of_memory,     ///< the allocation failed or would pass RuntimeOptions::memory_limit
  cancelled,         ///< a callback asked to stop
  busy,              ///< no room now; the same call may succeed later
  internal,          ///< a defect of the library or of a library below it
};

/// Name of a code, as it stands in the enum: "invalid_argument".
QUERN_API std::string_view to_string(ErrorCode code) noexcept;

/// The one exception type that the library throws.
///
/// An operation that throws has changed nothing that the caller can see.
class QUERN_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message);
  ~Error() override;

  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace quern
