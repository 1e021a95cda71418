#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "quern/npy.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

using namespace quern;

namespace {

constexpr const char* kFile = "tests/data/arrays.npz";

std::string content() {
  std::ifstream file(kFile, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Reads the bytes as a file; nothing, or the code of the Error.
std::optional<ErrorCode> outcome(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string path = folder.path("x.npz");
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    read_npz(path);
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("arrays of a .npz are read by name") {
  const auto arrays = read_npz(kFile);
  REQUIRE(arrays.size() == 3);
  const Tensor& floats = arrays.at("floats");
  CHECK(floats.shape() == Shape{2, 3});
  CHECK(floats.at<float>({1, 2}) == 2.5f);
  CHECK(arrays.at("whole").item<std::int64_t>() == 7);
  CHECK(arrays.at("by_column").at<std::int32_t>({1, 0}) == 3);
}

TEST_CASE("a .npz that is compressed is refused as such") {
  CHECK(code_of([] { read_npz("tests/data/arrays_compressed.npz"); }) == ErrorCode::unsupported);
}

TEST_CASE("a .npz cut short anywhere is refused") {
  const std::string whole = content();
  for (std::size_t size = 1; size < whole.size(); size += 7)
    CHECK(outcome(whole.substr(0, size)) == ErrorCode::corrupt_file);
}

TEST_CASE("a .npz with a byte changed is read or refused, never worse") {
  const std::string whole = content();
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    std::string changed = whole;
    changed[at] = static_cast<char>(~changed[at]);
    const auto code = outcome(changed);
    const bool fair = !code || *code == ErrorCode::corrupt_file || *code == ErrorCode::unsupported;
    CHECK_MESSAGE(fair, "byte " << at);
  }
}
