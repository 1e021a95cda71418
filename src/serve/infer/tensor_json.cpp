#include "serve/infer/tensor_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "serve/error.h"

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
      fail(ErrorCode::unsupported, "infer: no datatype for {}", to_string(dtype));
  }
}

/// Reads one element; false where it is of another type or out of range.
template <class T>
bool read_element(const Json& json, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) return false;
    value = json.get<bool>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!json.is_string()) return false;
    value = json.get<std::string>();
  } else if constexpr (std::is_integral_v<T>) {
    if (json.is_number_unsigned()) {
      const auto number = json.get<std::uint64_t>();
      if (number > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) return false;
      value = static_cast<T>(number);
    } else {
      if (!json.is_number_integer()) return false;
      const auto number = json.get<std::int64_t>();
      if (std::is_unsigned_v<T> ||
          number < static_cast<std::int64_t>(std::numeric_limits<T>::min())) {
        return false;
      }
      value = static_cast<T>(number);
    }
  } else {
    if (json.is_null()) {
      value = T(std::numeric_limits<float>::quiet_NaN());
      return true;
    }
    if (!json.is_number()) return false;
    if constexpr (std::is_same_v<T, double>) {
      value = json.get<double>();
    } else {
      value = T(json.get<float>());
    }
  }
  return true;
}

/// Reads elements of data, nested or flat, into `values`; JSON is at most 64 levels deep.
template <class T>
void read_elements(const Json& data, std::span<T> values, std::size_t& count,
                   const std::string& path) {
  for (const Json& item : data) {
    if (item.is_array()) {
      read_elements(item, values, count, path);
      continue;
    }
    T value{};
    if (!read_element(item, value)) {
      throw bad_member(path, fmt::format("{}: element {} is not of the datatype", path, count));
    }
    if (count < values.size()) values[count] = std::move(value);
    ++count;
  }
}

Shape read_shape(Members& members, std::size_t most) {
  const Json& json = members.need("shape");
  if (!json.is_array()) members.wrong_type("shape", "an array of integers");
  Shape shape;
  std::int64_t product = 1;
  for (const Json& size : json) {
    const bool fine =
        size.is_number_integer() && size >= 0 && size <= most && shape.rank() < Shape::kMaxRank;
    if (fine) shape.push_back(size.get<std::int64_t>());
    if (!fine || (product *= shape[shape.rank() - 1]) > static_cast<std::int64_t>(most)) {
      throw bad_member(members.path_of("shape"),
                       members.path_of("shape") + ": not the shape of so much data");
    }
  }
  return shape;
}

/// How many elements data has, nested or flat.
std::size_t count_elements(const Json& data) {
  if (!data.is_array()) return 1;
  std::size_t count = 0;
  for (const Json& item : data) count += count_elements(item);
  return count;
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

template <class T>
Json element_to_json(const T& value) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    return static_cast<float>(value);
  } else {
    return value;
  }
}

}  // namespace

std::pair<std::string, Tensor> tensor_from_json(const Json& json, const std::string& path) {
  Members members(json, path);
  members.need("name");
  std::string name = *members.string("name");
  const DType dtype = read_datatype(members);
  const Json& data = members.need("data");
  if (!data.is_array()) members.wrong_type("data", "an array");
  const std::size_t size = count_elements(data);
  const Shape shape = read_shape(members, size);
  members.ignore("parameters");
  members.no_others();
  if (static_cast<std::size_t>(shape.numel()) != size) {
    throw bad_member(members.path_of("data"),
                     fmt::format("{}: {} elements, but the shape {} has {}",
                                 members.path_of("data"), size, to_string(shape), shape.numel()));
  }
  Tensor tensor = Tensor::empty(shape, dtype);
  with_type(dtype, [&](auto type) {
    std::size_t count = 0;
    read_elements(data, tensor.mutable_data<decltype(type)>(), count, members.path_of("data"));
  });
  return {std::move(name), std::move(tensor)};
}

Json tensor_to_json(const std::string& name, const Tensor& tensor) {
  const Tensor whole = tensor.contiguous();
  Json data = Json::array();
  with_type(tensor.dtype(), [&](auto type) {
    for (const auto& value : whole.data<decltype(type)>()) data.push_back(element_to_json(value));
  });
  Json shape = Json::array();
  for (const std::int64_t size : tensor.shape()) shape.push_back(size);
  return {{"name", name},
          {"datatype", datatype_of(tensor.dtype())},
          {"shape", std::move(shape)},
          {"data", std::move(data)}};
}

std::string_view datatype_of(DType dtype) noexcept {
  const auto found = std::ranges::find(kDatatypes, dtype, &Datatype::dtype);
  return found == kDatatypes.end() ? std::string_view{} : found->name;
}

}  // namespace quern::serve
