#include "quern/runtime.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "core/runtime.h"
#include "quern/tensor.h"
#include "support/error_code.h"
#include "support/runtime_guard.h"

using namespace quern;

TEST_CASE("threads are those asked for, or one for each CPU") {
  const RuntimeGuard guard;
  reconfigure({.threads = 3});
  CHECK(thread_count() == 3);
  CHECK(runtime_info().threads == 3);
  CHECK(runtime_options().threads == 3);
  reconfigure({});
  CHECK(thread_count() >= 1);
}

TEST_CASE("settings that make no sense are refused, and change nothing") {
  const RuntimeGuard guard;
  reconfigure({.threads = 3});
  CHECK(code_of([] { reconfigure({.threads = -1}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([] { reconfigure({.threads = 1 << 30}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([] { reconfigure({.memory_limit = -1}); }) == ErrorCode::invalid_argument);
  CHECK(thread_count() == 3);
}

TEST_CASE("memory beyond the limit is refused, and what is freed counts no more") {
  const RuntimeGuard guard;
  constexpr std::int64_t kMore = 1 << 20;
  const std::int64_t before = runtime_info().memory_in_use;
  reconfigure({.memory_limit = before + kMore});
  {
    const Tensor half = Tensor::empty({kMore / 2}, DType::u8);
    CHECK(runtime_info().memory_in_use == before + kMore / 2);
    CHECK(code_of([] { Tensor::empty({kMore / 2 + 1}, DType::u8); }) == ErrorCode::out_of_memory);
    CHECK(Tensor::empty({kMore / 2}, DType::u8).numel() == kMore / 2);
  }
  CHECK(runtime_info().memory_in_use == before);
  CHECK(Tensor::empty({kMore}, DType::u8).numel() == kMore);
}

TEST_CASE("sizes that no memory has are refused, whatever is in use") {
  const Tensor held = Tensor::empty({100}, DType::u8);
  for (const std::int64_t size : {std::int64_t{1} << 57, std::numeric_limits<std::int64_t>::max()})
    CHECK(code_of([&] { Tensor::empty({size}, DType::u8); }) == ErrorCode::out_of_memory);
}

TEST_CASE("messages reach the log sink, and none once it is gone") {
  const RuntimeGuard guard;
  std::vector<std::string> messages;
  reconfigure({.log = [&](LogLevel level, std::string_view message) {
    messages.push_back((level == LogLevel::warning ? "warning: " : "") + std::string(message));
  }});
  log(LogLevel::warning, "one");
  log(LogLevel::info, "two");
  reconfigure({});
  log(LogLevel::info, "three");
  CHECK(messages == std::vector<std::string>{"warning: one", "two"});
}

TEST_CASE("the ISA cap cannot change once an operation has run, the rest can") {
  const RuntimeGuard guard;
  const RuntimeInfo info = runtime_info();  // settles it
  CHECK(!info.isa.empty());
  CHECK(!info.onednn_version.empty());
  const Isa other = runtime_options().max_isa == Isa::avx2 ? Isa::automatic : Isa::avx2;
  CHECK(code_of([&] { configure({.max_isa = other}); }) == ErrorCode::invalid_argument);
  CHECK_NOTHROW(configure({.threads = 2, .max_isa = runtime_options().max_isa}));
}
