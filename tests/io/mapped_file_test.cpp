#include "io/mapped_file.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

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

TEST_CASE("what is not a readable file with bytes is refused by kind") {
  const TemporaryFolder folder;
  CHECK(code_of([&] { io::map_file(folder.path("absent")); }) == ErrorCode::not_found);
  CHECK(code_of([&] { io::map_file(folder.write("a", "x") + "/b"); }) == ErrorCode::not_found);
  CHECK(code_of([&] { io::map_file(folder.path("")); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { io::map_file("/dev/null"); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { io::map_file(folder.write("empty", "")); }) == ErrorCode::corrupt_file);
}
