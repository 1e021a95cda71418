#include "quern/function.h"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>

using quern::Function;

namespace {

int twice(int value) { return 2 * value; }

}  // namespace

TEST_CASE("a Function calls lambdas, pointers and other functions") {
  int calls = 0;
  const Function<void(const std::string&)> count = [&](const std::string& text) {
    calls += static_cast<int>(text.size());
    return text;
  };
  count("abc");
  CHECK(calls == 3);
  CHECK(Function<int(int)>(twice)(4) == 8);
  CHECK(Function<int(int)>(std::function<int(int)>(twice))(5) == 10);
  const auto owned = std::make_unique<int>(7);
  CHECK(Function<const int&(const std::unique_ptr<int>&)>(
            [](const std::unique_ptr<int>& value) -> const int& { return *value; })(owned) == 7);
}

TEST_CASE(
    "a callable that returns nothing stands for an enum's first value, and for no other type") {
  enum class Next { go_on, stop };
  int calls = 0;
  const Function<Next(int)> silent = [&](int value) { calls += value; };
  CHECK(silent(3) == Next::go_on);
  CHECK(calls == 3);
  CHECK(Function<Next(int)>([](int) { return Next::stop; })(1) == Next::stop);
  CHECK(Function<Next()>(std::function<void()>([&] { ++calls; }))() == Next::go_on);
  CHECK(!Function<Next()>(std::function<void()>()));
  static_assert(!std::is_constructible_v<Function<int(int)>, void (*)(int)>);
  static_assert(!std::is_constructible_v<Function<Next(int)>, int (*)(int)>);
  static_assert(!std::is_constructible_v<Function<Next(int)>, void (*)(std::string)>);
}

TEST_CASE("a Function made of nothing is empty, and copies share the callable") {
  CHECK(!Function<int(int)>());
  CHECK(!Function<int(int)>(nullptr));
  CHECK(!Function<int(int)>(std::function<int(int)>()));
  CHECK(!Function<int(int)>(static_cast<int (*)(int)>(nullptr)));
  const Function<int()> counter = [count = 0]() mutable { return ++count; };
  const Function<int()> copy = counter;
  counter();
  CHECK(copy() == 2);
  CHECK(static_cast<bool>(copy));
}
