#include "core/visit.h"

#include <doctest/doctest.h>

#include "support/error_code.h"

using namespace quern;

TEST_CASE("every dtype is visited with the type that stores it") {
  for (int i = 0; i < kDTypes; ++i) {
    const auto dtype = static_cast<DType>(i);
    CAPTURE(to_string(dtype));
    const auto [visited, size] = visit_dtype(dtype, [](auto tag) {
      using T = typename decltype(tag)::type;
      return std::pair(dtype_of<T>, sizeof(T));
    });
    CHECK(visited == dtype);
    CHECK(size == size_of(dtype));
  }
  const auto beyond = static_cast<DType>(200);
  CHECK(code_of([&] { visit_dtype(beyond, [](auto) {}); }) == ErrorCode::internal);
}

TEST_CASE("visits of numbers and of floats refuse other dtypes") {
  int visits = 0;
  const auto count = [&](auto) { ++visits; };
  for (int i = 0; i < static_cast<int>(DType::string); ++i) {
    const auto dtype = static_cast<DType>(i);
    CAPTURE(to_string(dtype));
    CHECK_NOTHROW(visit_numeric("test", dtype, count));
    if (is_floating(dtype)) {
      CHECK_NOTHROW(visit_floating("test", dtype, count));
    } else {
      CHECK(code_of([&] { visit_floating("test", dtype, count); }) == ErrorCode::unsupported);
    }
  }
  CHECK(visits == 13 + 4);
  CHECK(code_of([&] { visit_numeric("test", DType::string, count); }) == ErrorCode::unsupported);
}
