#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/format.h"
#include "io/gguf.h"
#include "io/json.h"
#include "quern/weights.h"
#include "support/test_data.h"

using namespace quern;

namespace {

/// The CRC-32 of zlib, of `bytes` after those that gave `crc`.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t crc = 0) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      entries[i] = i;
      for (int bit = 0; bit < 8; ++bit) {
        entries[i] = (entries[i] >> 1) ^ ((entries[i] & 1) != 0 ? 0xedb88320u : 0u);
      }
    }
    return entries;
  }();
  crc = ~crc;
  for (const std::byte byte : bytes) {
    crc = (crc >> 8) ^ table[(crc ^ static_cast<std::uint32_t>(byte)) & 255];
  }
  return ~crc;
}

std::uint32_t crc32(std::string_view text) {
  return crc32(std::as_bytes(std::span(text.data(), text.size())));
}

void check_weights(const Weights& weights, const io::JsonObject& expected, bool as_f32) {
  CHECK(static_cast<std::int64_t>(weights.size()) == expected.get<std::int64_t>("tensors"));
  std::string listing;
  std::uint32_t values = 0;
  for (const std::string& name : weights.names()) {
    const Weight& weight = weights.get(name);
    listing += fmt::format("{} {} {}\n", name, weight.type_name(), weight.shape());
    const Weight dense = as_f32 ? weight.tensor(DType::f32) : weight.tensor();
    values = crc32(dense.bytes(), values);
  }
  CHECK(crc32(listing) == expected.get<std::int64_t>("listing"));
  CHECK(values == expected.get<std::int64_t>("values"));
  if (const auto sample = expected.find_object("sample")) {
    const Tensor tensor = weights.tensor(sample->get<std::string>("name")).cast(DType::f64);
    const auto first = sample->get<std::vector<double>>("first");
    for (std::size_t i = 0; i < first.size(); ++i) CHECK(tensor.data<double>()[i] == first[i]);
  }
}

void check_vocabulary(const io::GgufMetadata& metadata, const io::JsonObject& expected) {
  CHECK(static_cast<std::int64_t>(metadata.size()) == expected.get<std::int64_t>("keys"));
  CHECK(io::get_string(metadata, "general.architecture") ==
        expected.get<std::string>("architecture"));
  const auto& tokens = io::get_strings(metadata, "tokenizer.ggml.tokens");
  CHECK(static_cast<std::int64_t>(tokens.size()) == expected.get<std::int64_t>("tokens"));
  CHECK(crc32(fmt::format("{}", fmt::join(tokens, "\n"))) ==
        expected.get<std::int64_t>("token_bytes"));
}

}  // namespace

TEST_CASE("model files open with the tensors, values and vocabulary that Python reads") {
  const auto shared = test_data("golden");
  if (!shared) return;
  const io::Json golden = io::read_json("tests/data/open_files.json");
  for (const auto& item : golden.items()) {
    const std::string& name = item.key();
    CAPTURE(name);
    const std::filesystem::path path = shared->parent_path() / name;
    const io::JsonObject expected(item.value(), name);
    const bool is_gguf = path.extension() == ".gguf";
    if (is_gguf) check_vocabulary(io::read_gguf(path.string()).metadata, expected);
    check_weights(Weights::open(path.string()), expected, is_gguf);
  }
}
