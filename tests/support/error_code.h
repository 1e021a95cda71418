#pragma once

#include <doctest/doctest.h>

#include "quern/error.h"

namespace quern {

/// The code of the Error that `action` throws; fails the test where it throws none.
template <class Action>
ErrorCode code_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("expected an Error, got none");
  return ErrorCode::internal;
}

}  // namespace quern
