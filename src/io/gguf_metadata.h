#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "io/byte_reader.h"

namespace quern::io {

/// One metadata value; integers of every width are widened, arrays of bool become integers. The
/// unsigned ones are for integers of 2^63 and more, and for arrays that hold such.
using GgufValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                               std::vector<double>, std::vector<std::string>, std::uint64_t,
                               std::vector<std::uint64_t>>;

using GgufMetadata = std::map<std::string, GgufValue, std::less<>>;

/// The `find` functions give nothing where the key is absent. All throw `corrupt_file`, naming the
/// key, where it has another type; the `get` functions also where it is absent.
std::optional<bool> find_bool(const GgufMetadata& metadata, std::string_view key);
std::optional<std::int64_t> find_int(const GgufMetadata& metadata, std::string_view key);
/// Takes integers too.
std::optional<double> find_float(const GgufMetadata& metadata, std::string_view key);
const std::string* find_string(const GgufMetadata& metadata, std::string_view key);
const std::vector<std::int64_t>* find_ints(const GgufMetadata& metadata, std::string_view key);
const std::vector<double>* find_floats(const GgufMetadata& metadata, std::string_view key);
const std::vector<std::string>* find_strings(const GgufMetadata& metadata, std::string_view key);

std::int64_t get_int(const GgufMetadata& metadata, std::string_view key);
double get_float(const GgufMetadata& metadata, std::string_view key);
const std::string& get_string(const GgufMetadata& metadata, std::string_view key);
const std::vector<std::string>& get_strings(const GgufMetadata& metadata, std::string_view key);

/// Reads `count` key-value pairs. Throws: `corrupt_file` for a broken pair, a key that occurs
/// twice, or more than 2^16 pairs or 2^23 array elements; `unsupported` for arrays of arrays.
GgufMetadata read_gguf_metadata(ByteReader& reader, std::uint64_t count);

}  // namespace quern::io
