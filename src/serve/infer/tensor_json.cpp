#include "serve/infer/tensor_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>

#include "quern/error.h"
#include "serve/members.h"

namespace quern::serve {
namespace {

struct Datatype {
  std::string_view name;
  DType dtype;
};

constexpr std::array kDatatypes{
    Datatype{"BOOL", DType::boolean}, Datatype{"UINT8", DType::u8},
    Datatype{"UINT16", DType::u16},   Datatype{"UINT32", DType::u32},
    Datatype{"UINT64", DType::u64},   Datatype{"INT8", DType::i8},
    Datatype{"INT16", DType::i16},    Datatype{"INT32", DType::i32},
    Datatype{"INT64", DType::i64},    Datatype{"FP16", DType::f16},
    Datatype{"BF16", DType::bf16},    Datatype{"FP32", DType::f32},
    Datatype{"FP64", DType::f64},     Datatype{"BYTES", DType::string},
};

/// Calls `function` with a value of the type that a dtype of the protocol stores.
template <class Function>
auto with_type(DType dtype, const Function& function) {
  switch (dtype) {
    case DType::boolean:
      return function(bool{});
    case DType::u8:
      return function(std::uint8_t{});
    case DType::u16:
      return function(std::uint16_t{});
    case DType::u32:
      return function(std::uint32_t{});
    case DType::u64:
      return function(std::uint64_t{});
    case DType::i8:
      return function(std::int8_t{});
    case DType::i16:
      return function(std::int16_t{});
    case DType::i32:
      return function(std::int32_t{});
    case DType::i64:
      return function(std::int64_t{});
    case DType::f16:
      return function(Float16{});
    case DType::bf16:
      return function(BFloat16{});
    case DType::f32:
      return function(float{});
    case DType::f64:
      return function(double{});
    case DType::string:
      return function(std::string{});
    default:
      throw ApiError(
          400, fmt::format("the protocol has no datatype for tensors of {}", to_string(dtype)),
          {.code = "unsupported_datatype"});
  }
}

struct Special {
  std::string_view text;
  double value;
};

constexpr std::array kSpecials{
    Special{"\"NaN\"", std::numeric_limits<double>::quiet_NaN()},
    Special{"\"Infinity\"", std::numeric_limits<double>::infinity()},
    Special{"\"-Infinity\"", -std::numeric_limits<double>::infinity()},
    Special{"null", std::numeric_limits<double>::quiet_NaN()},
};

/// Whether a text is a number, within what T holds.
template <class T>
bool read_float(JsonView json, T& value) {
  const auto special = std::ranges::find(kSpecials, json.text(), &Special::text);
  if (special == kSpecials.end() && !json.is_number()) return false;
  const double number = special == kSpecials.end() ? json.number() : special->value;
  if constexpr (std::is_same_v<T, double>) {
    value = number;
  } else {
    value = T(static_cast<float>(number));
  }
  const bool names_infinity = json.text().find("Infinity") != std::string_view::npos;
  return names_infinity || !std::isinf(static_cast<double>(value));
}

/// Reads one element; false where it is of another type or out of range.
template <class T>
bool read_element(JsonView json, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = json.boolean();
    return json.is_boolean();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (json.is_string()) value = json.string();
    return json.is_string();
  } else if constexpr (std::is_integral_v<T>) {
    const auto number = json.integer<T>();
    value = number.value_or(T{});
    return number.has_value();
  } else {
    return read_float(json, value);
  }
}

template <class T>
void read_elements(JsonView data, std::span<T> values, const std::string& path) {
  std::size_t count = 0;
  for (const auto& [unnamed, item] : data.leaves()) {
    if (!read_element(item, values[count])) {
      throw bad_member(path, fmt::format("{}: element {} is not of the datatype", path, count));
    }
    ++count;
  }
}

/// A shape of so many elements, or bytes of elements, at most.
Shape read_shape(Members& members, std::size_t most) {
  constexpr std::int64_t kMostBeside0 = 1 << 24;  // what a graph may make of no element at all
  const JsonView& json = members.need("shape");
  if (!json.is_array()) members.wrong_type("shape", "an array of integers");
  Shape shape;
  std::int64_t product = 1;
  bool fine = true;
  for (const auto& [unnamed, size] : json) {
    const std::int64_t dim = size.integer<std::int64_t>().value_or(-1);
    fine = dim >= 0 && shape.rank() < Shape::kMaxRank &&
           !__builtin_mul_overflow(product, std::max<std::int64_t>(dim, 1), &product);
    if (!fine) break;
    shape.push_back(dim);
  }
  if (!fine ||
      (shape.numel() == 0 ? product > kMostBeside0 : static_cast<std::uint64_t>(product) > most)) {
    throw bad_member(members.path_of("shape"),
                     members.path_of("shape") + ": not the shape of so much data");
  }
  return shape;
}

DType read_datatype(Members& members) {
  members.need("datatype");
  const std::string name = *members.string("datatype");
  const auto found = std::ranges::find(kDatatypes, name, &Datatype::name);
  if (found != kDatatypes.end()) return found->dtype;
  std::string known;
  for (const Datatype& datatype : kDatatypes) known.append(" ").append(datatype.name);
  throw bad_member(
      members.path_of("datatype"),
      fmt::format("{}: \"{}\" is not one of{}", members.path_of("datatype"), name, known));
}

Tensor read_data(Members& members, DType dtype) {
  const JsonView& data = members.need("data");
  const std::string path = members.path_of("data");
  if (!data.is_array()) members.wrong_type("data", "an array");
  const auto leaves = data.leaves();
  std::size_t count = 0;
  for (auto leaf = leaves.begin(); leaf != leaves.end(); ++leaf) ++count;
  const Shape shape = read_shape(members, count);
  if (static_cast<std::size_t>(shape.numel()) != count) {
    throw bad_member(path, fmt::format("{}: {} elements, but the shape {} has {}", path, count,
                                       to_string(shape), shape.numel()));
  }
  Tensor tensor = Tensor::empty(shape, dtype);
  with_type(dtype,
            [&](auto type) { read_elements(data, tensor.mutable_data<decltype(type)>(), path); });
  return tensor;
}

/// Each is a number of 4 bytes, and so many bytes of text.
void read_strings(std::string_view bytes, std::span<std::string> values, const std::string& path) {
  const auto require_bytes = [&](std::size_t count, std::size_t i) {
    if (bytes.size() >= count) return;
    throw bad_member(path, fmt::format("{}: the bytes end within element {}", path, i));
  };
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t size = 0;
    require_bytes(sizeof size, i);
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes.remove_prefix(sizeof size);
    require_bytes(size, i);
    values[i] = bytes.substr(0, size);
    bytes.remove_prefix(size);
  }
  if (!bytes.empty()) {
    throw bad_member(path, fmt::format("{}: {} bytes after the last of {} elements", path,
                                       bytes.size(), values.size()));
  }
}

Tensor read_binary(Members& members, DType dtype, std::string_view bytes, const std::string& path) {
  const bool strings = dtype == DType::string;
  const std::size_t element = strings ? sizeof(std::uint32_t) : size_of(dtype);
  const Shape shape = read_shape(members, bytes.size() / element);
  const auto count = static_cast<std::size_t>(shape.numel());
  if (!strings && count * element != bytes.size()) {
    throw bad_member(path,
                     fmt::format("{}: {} bytes, but {} of shape {} takes {}", path, bytes.size(),
                                 datatype_of(dtype), to_string(shape), count * element));
  }
  Tensor tensor = Tensor::empty(shape, dtype);
  if (strings) {
    read_strings(bytes, tensor.mutable_data<std::string>(), path);
  } else if (!bytes.empty()) {
    const bool bits = std::ranges::all_of(bytes, [](char c) { return c == 0 || c == 1; });
    if (dtype == DType::boolean && !bits) {
      throw bad_member(path, fmt::format("{}: a BOOL is a byte of 0 or 1", path));
    }
    with_type(dtype, [&](auto type) {
      void* elements = tensor.mutable_data<decltype(type)>().data();
      std::memcpy(elements, bytes.data(), bytes.size());
    });
  }
  return tensor;
}

/// Takes what "binary_data_size" says off `binary`; nothing where the data is in the JSON.
std::optional<std::string_view> take_binary(Members& members, std::string_view& binary) {
  const JsonView* parameters = members.find("parameters");
  if (parameters == nullptr) return std::nullopt;
  Members inner(*parameters, members.path_of("parameters."));
  inner.only("shared_memory_region", {});
  const auto size = inner.integer("binary_data_size", 0, std::numeric_limits<std::int64_t>::max());
  if (!size) return std::nullopt;
  const std::string path = inner.path_of("binary_data_size");
  if (members.find("data") != nullptr) {
    throw bad_member(path, fmt::format("{}: not beside \"data\"", path));
  }
  if (static_cast<std::uint64_t>(*size) > binary.size()) {
    throw bad_member(path, fmt::format("{}: {} bytes, but {} are left after the JSON, whose size "
                                       "Inference-Header-Content-Length says",
                                       path, *size, binary.size()));
  }
  const std::string_view bytes = binary.substr(0, static_cast<std::size_t>(*size));
  binary.remove_prefix(bytes.size());
  return bytes;
}

template <class T>
void append_element(std::string& json, const T& value) {
  const auto out = std::back_inserter(json);
  if constexpr (std::is_same_v<T, std::string>) {
    json += dump(value);
  } else if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    append_element(json, static_cast<float>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    if (std::isfinite(value)) {
      fmt::format_to(out, "{}", value);
    } else {
      json += std::isnan(value) ? kSpecials[0].text : kSpecials[value > 0 ? 1 : 2].text;
    }
  } else {
    fmt::format_to(out, "{}", value);
  }
}

void append_data(const std::string& name, const Tensor& tensor, std::string& json) {
  with_type(tensor.dtype(), [&](auto type) {
    using T = decltype(type);
    json += '[';
    for (const T& value : tensor.data<T>()) {
      if constexpr (std::is_same_v<T, std::string>) {
        if (!is_utf8(value)) {
          throw ApiError(400,
                         fmt::format("\"{}\" has strings that are not UTF-8, as JSON's are: it can "
                                     "be had as binary data",
                                     name),
                         {.param = "outputs", .code = "unsupported_datatype"});
        }
      }
      append_element(json, value);
      json += ',';
    }
    if (json.back() == ',') json.pop_back();
    json += ']';
  });
}

void append_binary(const Tensor& tensor, std::string& binary) {
  if (tensor.dtype() != DType::string) {
    with_type(tensor.dtype(), [&](auto type) {
      const auto elements = std::as_bytes(tensor.data<decltype(type)>());
      binary.append(reinterpret_cast<const char*>(elements.data()), elements.size());
    });
    return;
  }
  for (const std::string& value : tensor.data<std::string>()) {
    const auto size = static_cast<std::uint32_t>(value.size());
    binary.append(reinterpret_cast<const char*>(&size), sizeof size);
    binary += value;
  }
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "binary data is little-endian");

std::pair<std::string, Tensor> read_tensor(JsonView json, const std::string& path,
                                           std::string_view& binary) {
  Members members(json, path);
  members.need("name");
  std::string name = *members.string("name");
  const DType dtype = read_datatype(members);
  const auto bytes = take_binary(members, binary);
  Tensor tensor =
      bytes ? read_binary(members, dtype, *bytes, members.path_of("parameters.binary_data_size"))
            : read_data(members, dtype);
  members.no_others();
  return {std::move(name), std::move(tensor)};
}

void write_tensor(const std::string& name, const Tensor& tensor, std::string& json,
                  std::string* binary) {
  if (datatype_of(tensor.dtype()).empty()) {
    throw ApiError(400,
                   fmt::format("\"{}\" is a tensor of {}, for which the protocol has no datatype",
                               name, to_string(tensor.dtype())),
                   {.param = "outputs", .code = "unsupported_datatype"});
  }
  const Tensor whole = tensor.contiguous();
  fmt::format_to(std::back_inserter(json), "{{\"name\":{},\"datatype\":\"{}\",\"shape\":[{}]",
                 dump(name), datatype_of(tensor.dtype()),
                 fmt::join(tensor.shape().begin(), tensor.shape().end(), ","));
  if (binary == nullptr) {
    json += ",\"data\":";
    append_data(name, whole, json);
  } else {
    const std::size_t before = binary->size();
    append_binary(whole, *binary);
    fmt::format_to(std::back_inserter(json), ",\"parameters\":{{\"binary_data_size\":{}}}",
                   binary->size() - before);
  }
  json += '}';
}

std::string_view datatype_of(DType dtype) noexcept {
  const auto found = std::ranges::find(kDatatypes, dtype, &Datatype::dtype);
  return found == kDatatypes.end() ? std::string_view{} : found->name;
}

}  // namespace quern::serve
