#include "models/parts/rotary.h"

#include <doctest/doctest.h>

#include <cmath>

#include "support/error_code.h"

using namespace quern;
using namespace quern::models;

TEST_CASE("scaling by turns slows long waves and keeps short ones") {
  RopeSettings rope{.base = 500000, .dim = 128};
  const auto before = Rotary(rope).frequencies(0);
  rope.scaling = RopeScaling::llama3;
  rope.factor = 8;
  rope.context = 8192;
  const auto after = Rotary(rope).frequencies(0);
  CHECK(after.front() == before.front());
  CHECK(after.back() == doctest::Approx(before.back() / 8));
}

TEST_CASE("positions that depend on how long a text may come to be tell the lengths apart") {
  RopeSettings rope{.dim = 4, .scaling = RopeScaling::longrope, .factor = 4, .context = 16};
  rope.short_divisors = {1, 1};
  rope.long_divisors = {2, 4};
  const Rotary by_divisors(rope);
  CHECK(by_divisors.kind(16) == 0);
  CHECK(by_divisors.kind(17) == by_divisors.kind(400));
  CHECK(by_divisors.kind(17) != 0);
  CHECK(by_divisors.frequencies(17)[1] == by_divisors.frequencies(16)[1] / 4);
  CHECK(by_divisors.attention_factor() ==
        doctest::Approx(std::sqrt(1 + std::log(4.0) / std::log(16.0))));

  rope = {.dim = 4, .scaling = RopeScaling::dynamic, .factor = 2, .context = 16};
  const Rotary by_length(rope);
  CHECK(by_length.kind(16) == 0);
  CHECK(by_length.kind(17) != by_length.kind(18));
  CHECK(by_length.frequencies(32)[1] ==
        doctest::Approx(std::pow(10000.0 * 9, -0.5)));  // (2 * 32 / 16 - 1)^(4 / 2)
}

TEST_CASE("scalings that make no frequencies are refused") {
  for (const double factor : {0.0, -1.0, std::nan("")}) {
    const RopeSettings rope{
        .dim = 4, .scaling = RopeScaling::yarn, .factor = factor, .context = 16};
    CHECK(code_of([&] { const Rotary rotary(rope); }) == ErrorCode::corrupt_file);
  }
  const RopeSettings no_context{.dim = 4, .scaling = RopeScaling::llama3, .factor = 2};
  CHECK(code_of([&] { const Rotary rotary(no_context); }) == ErrorCode::corrupt_file);
}
