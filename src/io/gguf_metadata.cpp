#include "io/gguf_metadata.h"

#include <algorithm>
#include <array>
#include <limits>

namespace quern::io {
namespace {

constexpr std::uint64_t kMaxPairs = std::uint64_t{1} << 16;
constexpr std::uint64_t kMaxElements = std::uint64_t{1} << 23;
constexpr std::size_t kMaxKeyBytes = 65535;
constexpr std::uint64_t kLargestSigned = std::numeric_limits<std::int64_t>::max();

/// Numbered as in the file.
enum class Type : std::uint32_t {
  // clang-format off
  u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64
  // clang-format on
};

/// The least that a value of a type takes in the file.
constexpr std::array<std::uint8_t, 13> kMinBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

constexpr std::array<std::string_view, std::variant_size_v<GgufValue>> kTypeNames = {
    "a boolean",
    "an integer",
    "a number",
    "a string",
    "an array of integers",
    "an array of numbers",
    "an array of strings",
    "an integer beyond 2^63",
    "an array of integers beyond 2^63"};

class MetadataReader {
 public:
  explicit MetadataReader(ByteReader& reader) : reader_(reader) {}

  std::string read_key() {
    const std::size_t at = reader_.position();
    std::string key = reader_.read_string("a metadata key");
    if (key.empty() || key.size() > kMaxKeyBytes) {
      reader_.fail_at(at, "a metadata key has {} bytes, expected 1 to {}", key.size(),
                      std::size_t{kMaxKeyBytes});
    }
    return key;
  }

  GgufValue read_value() {
    const Type type = read_type();
    switch (type) {
      case Type::boolean:
        return read_integer(type) != 0;
      case Type::f32:
      case Type::f64:
        return read_floating(type);
      case Type::string:
        return reader_.read_string("a metadata string");
      case Type::array:
        return read_array();
      case Type::u64:
        return narrowed(reader_.read<std::uint64_t>("a metadata integer"));
      default:
        return read_integer(type);
    }
  }

 private:
  static GgufValue narrowed(std::uint64_t value) {
    if (value > kLargestSigned) return value;
    return static_cast<std::int64_t>(value);
  }

  static GgufValue narrowed(std::vector<std::uint64_t> values) {
    if (std::ranges::any_of(values, [](std::uint64_t value) { return value > kLargestSigned; }))
      return values;
    return std::vector<std::int64_t>(values.begin(), values.end());
  }

  Type read_type() {
    const std::size_t at = reader_.position();
    const auto id = reader_.read<std::uint32_t>("a metadata type");
    if (id >= kMinBytes.size()) reader_.fail_at(at, "metadata type {} does not exist", id);
    return static_cast<Type>(id);
  }

  GgufValue read_array() {
    const std::size_t at = reader_.position();
    const Type type = read_type();
    const auto count = reader_.read<std::uint64_t>("the length of a metadata array");
    if (type == Type::array) {
      fail(ErrorCode::unsupported, "{}: metadata arrays of arrays are not supported (at byte {})",
           reader_.name(), at);
    }
    reader_.require_left(count, kMinBytes[static_cast<unsigned>(type)], "a metadata array");
    if (count > elements_left_) {
      reader_.fail_at(at, "metadata arrays have more than {} elements",
                      std::uint64_t{kMaxElements});
    }
    elements_left_ -= count;
    switch (type) {
      case Type::f32:
      case Type::f64:
        return read_elements<double>(count, [&] { return read_floating(type); });
      case Type::string:
        return read_elements<std::string>(count,
                                          [&] { return reader_.read_string("a metadata string"); });
      case Type::u64:
        return narrowed(read_elements<std::uint64_t>(
            count, [&] { return reader_.read<std::uint64_t>("a metadata integer"); }));
      default:
        return read_elements<std::int64_t>(count, [&] { return read_integer(type); });
    }
  }

  template <class T, class Read>
  std::vector<T> read_elements(std::uint64_t count, const Read& read) {
    std::vector<T> elements;
    elements.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) elements.push_back(read());
    return elements;
  }

  double read_floating(Type type) {
    return type == Type::f32 ? double{reader_.read<float>("a metadata number")}
                             : reader_.read<double>("a metadata number");
  }

  std::int64_t read_integer(Type type) {
    constexpr std::string_view kWhat = "a metadata integer";
    switch (type) {
      case Type::u8:
        return reader_.read<std::uint8_t>(kWhat);
      case Type::i8:
        return reader_.read<std::int8_t>(kWhat);
      case Type::u16:
        return reader_.read<std::uint16_t>(kWhat);
      case Type::i16:
        return reader_.read<std::int16_t>(kWhat);
      case Type::u32:
        return reader_.read<std::uint32_t>(kWhat);
      case Type::i32:
        return reader_.read<std::int32_t>(kWhat);
      case Type::i64:
        return reader_.read<std::int64_t>(kWhat);
      default:
        return read_boolean();
    }
  }

  std::int64_t read_boolean() {
    const std::size_t at = reader_.position();
    const auto value = reader_.read<std::uint8_t>("a metadata boolean");
    if (value > 1) reader_.fail_at(at, "a metadata boolean is {}, expected 0 or 1", value);
    return value;
  }

  ByteReader& reader_;
  std::uint64_t elements_left_ = kMaxElements;
};

[[noreturn]] void fail_type(std::string_view key, std::string_view expected,
                            const GgufValue& value) {
  fail(ErrorCode::corrupt_file, "gguf: \"{}\": expected {}, got {}", key, expected,
       kTypeNames[value.index()]);
}

template <class T>
const T* find(const GgufMetadata& metadata, std::string_view key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return nullptr;
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) fail_type(key, kTypeNames[GgufValue(T()).index()], found->second);
  return value;
}

template <class T>
std::optional<T> find_copy(const GgufMetadata& metadata, std::string_view key) {
  const T* value = find<T>(metadata, key);
  return value == nullptr ? std::nullopt : std::optional<T>(*value);
}

template <class Found>
const auto& require_found(const Found& found, std::string_view key) {
  if (!found) fail(ErrorCode::corrupt_file, "gguf: \"{}\" is missing", key);
  return *found;
}

}  // namespace

std::optional<bool> find_bool(const GgufMetadata& metadata, std::string_view key) {
  return find_copy<bool>(metadata, key);
}

std::optional<std::int64_t> find_int(const GgufMetadata& metadata, std::string_view key) {
  return find_copy<std::int64_t>(metadata, key);
}

std::optional<double> find_float(const GgufMetadata& metadata, std::string_view key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return std::nullopt;
  if (const auto* integer = std::get_if<std::int64_t>(&found->second)) {
    return static_cast<double>(*integer);
  }
  return find_copy<double>(metadata, key);
}

const std::string* find_string(const GgufMetadata& metadata, std::string_view key) {
  return find<std::string>(metadata, key);
}

const std::vector<std::int64_t>* find_ints(const GgufMetadata& metadata, std::string_view key) {
  return find<std::vector<std::int64_t>>(metadata, key);
}

const std::vector<double>* find_floats(const GgufMetadata& metadata, std::string_view key) {
  return find<std::vector<double>>(metadata, key);
}

const std::vector<std::string>* find_strings(const GgufMetadata& metadata, std::string_view key) {
  return find<std::vector<std::string>>(metadata, key);
}

std::int64_t get_int(const GgufMetadata& metadata, std::string_view key) {
  const auto found = find_int(metadata, key);
  return require_found(found, key);
}

double get_float(const GgufMetadata& metadata, std::string_view key) {
  const auto found = find_float(metadata, key);
  return require_found(found, key);
}

const std::string& get_string(const GgufMetadata& metadata, std::string_view key) {
  return require_found(find_string(metadata, key), key);
}

const std::vector<std::string>& get_strings(const GgufMetadata& metadata, std::string_view key) {
  return require_found(find_strings(metadata, key), key);
}

GgufMetadata read_gguf_metadata(ByteReader& reader, std::uint64_t count) {
  constexpr std::size_t kMinPairBytes = 8 + 1 + 4 + 1;
  reader.require_left(count, kMinPairBytes, "metadata");
  if (count > kMaxPairs) {
    reader.fail_at(reader.position(), "metadata has {} pairs, expected at most {}", count,
                   std::uint64_t{kMaxPairs});
  }
  MetadataReader pairs(reader);
  GgufMetadata metadata;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t at = reader.position();
    std::string key = pairs.read_key();
    const auto [pair, is_new] = metadata.try_emplace(std::move(key));
    if (!is_new) reader.fail_at(at, "the metadata key \"{}\" occurs twice", pair->first);
    pair->second = pairs.read_value();
  }
  return metadata;
}

}  // namespace quern::io
