#include "io/gguf.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "quern/error.h"
#include "support/error_code.h"
#include "support/gguf_writer.h"
#include "support/temporary_folder.h"

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

namespace {

/// One of the parts of a split model, with one tensor.
GgufWriter part_of_model(std::uint16_t index, std::uint16_t count) {
  GgufWriter part;
  if (index == 0) part.set("general.name", std::string("whole"));
  part.set("split.no", index);
  part.set("split.count", count);
  part.set("split.tensors.count", std::int32_t{count});
  part.add("tensor." + std::to_string(index), {2}, {static_cast<float>(index), 1.f});
  return part;
}

std::string part_name(int index, int count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05d-of-%05d.gguf", index + 1, count);
  return name;
}

/// A model in three parts, of which a case breaks one.
struct SplitModel {
  TemporaryFolder folder;
  GgufWriter parts[3] = {part_of_model(0, 3), part_of_model(1, 3), part_of_model(2, 3)};

  void write() const {
    for (int i = 0; i < 3; ++i) folder.write(part_name(i, 3), parts[i].bytes());
  }
  std::string error(int opened = 0) const {
    try {
      read_gguf(folder.path(part_name(opened, 3)));
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the files that a model was split into load as one") {
  SplitModel model;
  model.write();
  const std::string path = model.folder.path(part_name(0, 3));
  std::vector<double> progress;
  const GgufFile file = read_gguf(path, [&](double done) { progress.push_back(done); });
  CHECK(file.weights.names() == std::vector<std::string>{"tensor.0", "tensor.1", "tensor.2"});
  CHECK(file.weights.tensor("tensor.2").data<float>()[0] == 2.f);
  CHECK(get_string(file.metadata, "general.name") == "whole");
  CHECK(progress.size() == 3);
  CHECK(std::is_sorted(progress.begin(), progress.end()));
  CHECK(progress.back() == 1.0);
  CHECK(Weights::open(path).size() == 3);
}

TEST_CASE("a part that is missing or another is named") {
  SplitModel model;
  model.write();
  CHECK(has(model.error(1), "it is part 2 of 3; open the first"));
  std::filesystem::remove(model.folder.path(part_name(2, 3)));
  CHECK(has(model.error(), part_name(2, 3)));
  CHECK(code_of([&] { read_gguf(model.folder.path(part_name(0, 3))); }) == ErrorCode::not_found);

  model.parts[2] = part_of_model(1, 3);
  model.write();
  CHECK(has(model.error(), "expected part 3 of 3, but it holds part 2 of 3"));
  model.parts[2] = part_of_model(2, 4);
  model.write();
  CHECK(has(model.error(), "expected part 3 of 3, but it holds part 3 of 4"));
  model.parts[2] = part_of_model(2, 3);
  model.parts[2].add("tensor.1", {2}, {0.f, 0.f});
  model.write();
  CHECK(has(model.error(), "the tensor \"tensor.1\" is in another part too"));
  model.parts[2] = part_of_model(2, 3);
  model.parts[2].add("tensor.3", {2}, {0.f, 0.f});
  model.write();
  CHECK(has(model.error(), "the parts have 4 tensors, split.tensors.count says 3"));

  model.folder.write("renamed.gguf", part_of_model(0, 3).bytes());
  CHECK(code_of([&] { read_gguf(model.folder.path("renamed.gguf")); }) ==
        ErrorCode::invalid_argument);
  model.folder.write("impossible.gguf", part_of_model(3, 3).bytes());
  CHECK(code_of([&] { read_gguf(model.folder.path("impossible.gguf")); }) ==
        ErrorCode::corrupt_file);
}

TEST_CASE("integers of 2^63 and more are no reason to refuse a file, but to refuse their use") {
  GgufWriter writer;
  writer.set("k.large", ~std::uint64_t{0});
  writer.set_array<std::uint64_t>("k.many", {1, std::uint64_t{1} << 63});
  writer.set_array<std::uint64_t>("k.small", {1, 2});
  const std::string bytes = writer.bytes();
  const GgufMetadata metadata =
      parse_gguf({"x.gguf", std::as_bytes(std::span(bytes)), nullptr}).metadata;
  CHECK(std::get<std::uint64_t>(metadata.at("k.large")) == ~std::uint64_t{0});
  CHECK(*find_ints(metadata, "k.small") == std::vector<std::int64_t>{1, 2});
  CHECK(code_of([&] { find_int(metadata, "k.large"); }) == ErrorCode::corrupt_file);
  CHECK(code_of([&] { find_ints(metadata, "k.many"); }) == ErrorCode::corrupt_file);
}

TEST_CASE("a type that is not supported is named") {
  for (const auto& [type, name] :
       {std::pair(31, "q4_0_4_4"), std::pair(4, "q4_2"), std::pair(999, "has the number 999")}) {
    GgufWriter writer;
    writer.add_bytes("w", {32}, static_cast<std::uint32_t>(type), std::string(64, '\0'));
    const std::string bytes = writer.bytes();
    try {
      parse_gguf({"x.gguf", std::as_bytes(std::span(bytes)), nullptr});
      FAIL("expected an Error");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::unsupported);
      CHECK(has(error.what(), name));
    }
  }
}
