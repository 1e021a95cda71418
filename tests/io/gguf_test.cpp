#include "io/gguf.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "quern/error.h"
#include "support/error_code.h"

using namespace quern;
using namespace quern::io;

namespace {

GgufFile read_good(const std::string& name) {
  return read_gguf("tests/fuzz/corpus/good/" + name + ".gguf");
}

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string header(std::uint64_t tensors, std::uint64_t pairs) {
  std::string bytes = "GGUF";
  append<std::uint32_t>(bytes, 3);
  append(bytes, tensors);
  append(bytes, pairs);
  return bytes;
}

void append_string(std::string& bytes, const std::string& text) {
  append<std::uint64_t>(bytes, text.size());
  bytes += text;
}

std::string error_of(const std::string& bytes) {
  try {
    parse_gguf({"x.gguf", std::as_bytes(std::span(bytes.data(), bytes.size())), nullptr});
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::corrupt_file);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("metadata of every type is read, integers widened") {
  const GgufMetadata metadata = read_good("every_metadata_type").metadata;
  CHECK(get_int(metadata, "k.0") == 200);
  CHECK(get_int(metadata, "k.1") == -3);
  CHECK(get_int(metadata, "k.2") == 60000);
  CHECK(get_int(metadata, "k.3") == -300);
  CHECK(get_int(metadata, "k.4") == 4000000000);
  CHECK(get_int(metadata, "k.5") == -5);
  CHECK(get_float(metadata, "k.6") == 0.5);
  CHECK(find_bool(metadata, "k.7") == true);
  CHECK(get_int(metadata, "k.10") == 7);
  CHECK(get_int(metadata, "k.11") == -7);
  CHECK(get_float(metadata, "k.12") == 0.25);
  CHECK(get_float(metadata, "k.5") == -5.0);
  CHECK(get_string(metadata, "k.string") == "text");
  for (const char* key : {"a.0", "a.1", "a.2", "a.3", "a.4", "a.5", "a.7", "a.10", "a.11"}) {
    CHECK(*find_ints(metadata, key) == std::vector<std::int64_t>{0, 1, 1});
  }
  for (const char* key : {"a.6", "a.12"}) {
    CHECK(*find_floats(metadata, key) == std::vector<double>{0, 1, 1});
  }
  CHECK(get_strings(metadata, "a.string") == std::vector<std::string>{"a", "", "bc"});
  CHECK(find_ints(metadata, "a.empty")->empty());
}

TEST_CASE("a key that is absent or of another type is named") {
  const GgufMetadata metadata = read_good("every_metadata_type").metadata;
  CHECK(find_int(metadata, "absent") == std::nullopt);
  CHECK(find_float(metadata, "absent") == std::nullopt);
  CHECK(find_strings(metadata, "absent") == nullptr);
  const auto message = [](const auto& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  CHECK(message([&] { get_int(metadata, "absent"); }) == "gguf: \"absent\" is missing");
  CHECK(message([&] { find_int(metadata, "k.string"); }) ==
        "gguf: \"k.string\": expected an integer, got a string");
  CHECK(message([&] { find_strings(metadata, "a.0"); }) ==
        "gguf: \"a.0\": expected an array of strings, got an array of integers");
}

TEST_CASE("tensors of every type have their shape, outermost axis first, and their bytes") {
  const Weights weights = read_good("every_tensor_type").weights;
  CHECK(weights.size() == 24);
  for (const std::string& name : weights.names()) {
    const Weight& weight = weights.get(name);
    CHECK("t." + std::string(weight.type_name()) == name);
    CHECK(weight.shape().dim(0) == 2);
    CHECK(weight.tensor().shape() == weight.shape());
    const auto bytes = weight.bytes();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      REQUIRE(static_cast<std::size_t>(bytes[i]) == (7 * i + bytes.size() / 2) % 251);
    }
  }
}

TEST_CASE("alignment, gaps, scalars and empty tensors are as the format allows") {
  CHECK(read_good("alignment_8").weights.get("b").shape() == Shape{1, 2});
  CHECK(read_good("gap_between_tensors").weights.size() == 2);
  CHECK(read_good("version_2").version == 2);
  const Weights odd = read_good("scalar_and_empty_tensors").weights;
  CHECK(odd.tensor("s").item<float>() == 0.f);
  CHECK(odd.tensor("e").shape() == Shape{3, 0});
  const Tensor unaligned = read_good("unaligned_tensors").weights.tensor("a");
  CHECK(reinterpret_cast<std::uintptr_t>(unaligned.raw()) % 4 == 0);
}

TEST_CASE("an error names the file, the tensor and the offset") {
  std::string bytes = header(1, 0);
  append_string(bytes, "w");
  append<std::uint32_t>(bytes, 1);
  append<std::uint64_t>(bytes, 5);
  append<std::uint32_t>(bytes, 0);
  append<std::uint64_t>(bytes, 0);
  bytes.resize(64 + 16);
  CHECK(error_of(bytes) ==
        "x.gguf: tensor \"w\": 20 bytes at offset 0 pass the end of 16 bytes of data (at byte 24)");
}

TEST_CASE("counts and lengths have limits of their own") {
  std::string pairs = header(0, 65537);
  pairs.resize(pairs.size() + 65537 * 14);
  CHECK(error_of(pairs) == "x.gguf: metadata has 65537 pairs, expected at most 65536 (at byte 24)");

  std::string tensors = header(131073, 0);
  tensors.resize(tensors.size() + 131073 * 24);
  CHECK(error_of(tensors) == "x.gguf: 131073 tensors, expected at most 131072 (at byte 24)");

  std::string key = header(0, 1);
  append_string(key, std::string(65536, 'k'));
  key.resize(key.size() + 8);
  CHECK(error_of(key).find("a metadata key has 65536 bytes") != std::string::npos);

  std::string elements = header(0, 1);
  append_string(elements, "k");
  append<std::uint32_t>(elements, 9);
  append<std::uint32_t>(elements, 0);
  append<std::uint64_t>(elements, (1 << 23) + 1);
  elements.resize(elements.size() + (1 << 23) + 1);
  CHECK(error_of(elements) ==
        "x.gguf: metadata arrays have more than 8388608 elements (at byte 37)");
}
