#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "fuzz/allocations.h"
#include "fuzz/exact_bytes.h"
#include "fuzz/targets.h"
#include "quern/error.h"

using namespace quern;
namespace fs = std::filesystem;

namespace {

using Target = void (*)(std::span<const std::byte>);

const std::map<std::string, Target> kTargets = {
    {".gguf", fuzz::gguf},      {".safetensors", fuzz::safetensors},
    {".json", fuzz::json},      {".tokenizer", fuzz::tokenizer},
    {".jinja", fuzz::jinja},
#ifdef QUERN_SERVE
    {".body", fuzz::json_view}, {".tensor", fuzz::infer_tensor},
#endif
#ifdef QUERN_WEBP
    {".webp", fuzz::webp},
#endif
#ifdef QUERN_TIFF
    {".tif", fuzz::tiff},
#endif
#ifdef QUERN_JPEG2000
    {".jp2", fuzz::jpeg2000},
#endif
    {".bmp", fuzz::bmp},        {".jpg", fuzz::jpeg},
    {".png", fuzz::png},        {".pnm", fuzz::pnm}};

/// Formats whose readers a build may lack.
bool is_optional(const std::string& extension) {
  return extension == ".webp" || extension == ".tif" || extension == ".jp2" ||
         extension == ".body" || extension == ".tensor";
}

/// Formats whose faults the readers tell with their place.
bool tells_places(const std::string& extension) {
  return extension == ".gguf" || extension == ".safetensors" || extension == ".json" ||
         extension == ".body";
}

/// Calls `check` with the path, the target of its format, and its bytes.
template <class Check>
void for_each_file(const char* folder, const Check& check) {
  std::map<std::string, int> files;
  for (const auto& entry : fs::directory_iterator(fs::path("tests/fuzz/corpus") / folder)) {
    const std::string extension = entry.path().extension().string();
    const fuzz::ExactBytes bytes(entry.path());
    CAPTURE(entry.path().string());
    if (is_optional(extension) && !kTargets.contains(extension)) continue;
    REQUIRE(kTargets.contains(extension));
    check(entry.path(), kTargets.at(extension), bytes.span());
    ++files[extension];
  }
  for (const auto& [extension, target] : kTargets) CHECK(files[extension] > 0);
}

/// The code of the Error that the target throws, "none" where it throws none.
std::string outcome(Target target, std::span<const std::byte> bytes, std::string& message) {
  try {
    target(bytes);
  } catch (const Error& error) {
    message = error.what();
    return std::string(to_string(error.code()));
  }
  return "none";
}

}  // namespace

TEST_CASE("every valid file of the corpus is read") {
  for_each_file("good", [](const fs::path&, Target target, std::span<const std::byte> bytes) {
    std::string message;
    CHECK_MESSAGE(outcome(target, bytes, message) == "none", message);
  });
}

TEST_CASE("every bad file of the corpus is refused by kind and with its offset") {
  for_each_file("bad", [](const fs::path& path, Target target, std::span<const std::byte> bytes) {
    const bool is_valid = path.filename().string().starts_with("unsupported_");
    std::string message;
    CHECK(outcome(target, bytes, message) == (is_valid ? "unsupported" : "corrupt_file"));
    CAPTURE(message);
    if (tells_places(path.extension().string()))
      CHECK(message.find("at byte ") != std::string::npos);
    CHECK(message.size() < 800);  // as long as a list of known names
  });
}

TEST_CASE("a file cut short anywhere is refused or read, never worse") {
  for_each_file("good", [](const fs::path&, Target target, std::span<const std::byte> bytes) {
    for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 64) {
      const fuzz::ExactBytes cut(bytes.first(size));
      std::string message;
      CHECK(outcome(target, cut.span(), message) != "unsupported");
    }
  });
}

TEST_CASE("no file makes a reader allocate more than its size and a constant") {
  constexpr std::size_t kConstant = 64 << 10;
  for (const char* folder : {"good", "bad"}) {
    for_each_file(folder, [](const fs::path&, Target target, std::span<const std::byte> bytes) {
      std::string message;
      fuzz::watch_allocations();
      outcome(target, bytes, message);
      const fuzz::Allocations seen = fuzz::allocations_seen();
      CHECK(seen.largest <= bytes.size() + kConstant);
      CHECK(seen.total <= 64 * bytes.size() + 16 * kConstant);
    });
  }
}
