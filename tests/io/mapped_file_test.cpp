#include "io/mapped_file.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/error.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

using namespace quern;

TEST_CASE("a mapped file outlives its name and every copy but the last") {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.bin", "some bytes");
  io::FileBytes copy;
  {
    const io::FileBytes file = io::map_file(path);
    copy = file;
  }
  std::filesystem::remove(path);
  CHECK(std::string_view(reinterpret_cast<const char*>(copy.bytes.data()), copy.bytes.size()) ==
        "some bytes");
}

namespace {

/// How many of the pages that hold `part` are in this process's memory.
std::size_t resident_pages(std::span<const std::byte> part) {
  const std::string at = fmt::format("{:x}-", reinterpret_cast<std::uintptr_t>(part.data()));
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  while (std::getline(maps, line) && line.rfind(at, 0) != 0) continue;
  while (std::getline(maps, line)) {
    if (line.rfind("Rss:", 0) == 0) return std::stoul(line.substr(4)) / 4;
  }
  return 0;
}

}  // namespace

TEST_CASE("pages of a mapped file that are released are read again, others stay") {
  constexpr std::size_t kSize = 64 * 4096;
  std::string text(kSize, ' ');
  for (std::size_t i = 0; i < kSize; ++i) text[i] = static_cast<char>('a' + i / 4096 % 26);
  const TemporaryFolder folder;
  const io::FileBytes file = io::map_file(folder.write("pages", text));
  const auto matches = [&] {
    return std::string_view(reinterpret_cast<const char*>(file.bytes.data()), kSize) == text;
  };
  REQUIRE(matches());
  const std::size_t all = resident_pages(file.bytes);
  auto owner = io::owner_of(file, file.bytes.subspan(100, kSize / 2));
  CHECK(resident_pages(file.bytes) == all);
  owner.reset();
  CHECK(resident_pages(file.bytes) < all);
  CHECK(matches());
  CHECK(resident_pages(file.bytes) == all);
}

TEST_CASE("bytes in memory have no pages to release") {
  auto bytes = std::make_shared<std::vector<std::byte>>(4 * 4096, std::byte{7});
  const io::FileBytes file{"bytes", *bytes, bytes};
  io::owner_of(file, file.bytes).reset();
  io::release_pages(file, file.bytes);
  CHECK(std::ranges::all_of(*bytes, [](std::byte byte) { return byte == std::byte{7}; }));
}

TEST_CASE("what is not a readable file with bytes is refused by kind") {
  const TemporaryFolder folder;
  CHECK(code_of([&] { io::map_file(folder.path("absent")); }) == ErrorCode::not_found);
  CHECK(code_of([&] { io::map_file(folder.write("a", "x") + "/b"); }) == ErrorCode::not_found);
  CHECK(code_of([&] { io::map_file(folder.path("")); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { io::map_file("/dev/null"); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { io::map_file(folder.write("empty", "")); }) == ErrorCode::corrupt_file);
}
