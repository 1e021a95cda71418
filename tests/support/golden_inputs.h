#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "quern/tensor.h"

namespace quern {

/// The values of tests/data/golden_inputs.py, by the same formulas: change both or neither.

inline std::uint32_t hashed_bits(std::uint32_t seed, std::uint32_t place) {
  std::uint32_t x = place + seed * 0x9E3779B9u;
  x = (x ^ (x >> 16)) * 0x7FEB352Du;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  return x ^ (x >> 16);
}

/// In [-1, 1), a multiple of 2^-23.
inline float hashed_unit(std::uint32_t seed, std::uint32_t place) {
  return static_cast<float>(static_cast<std::int32_t>(hashed_bits(seed, place) >> 8)) * 0x1p-23f -
         1.f;
}

/// f32 values in [-1, 1).
inline Tensor hashed_tensor(std::uint32_t seed, const Shape& shape, DType dtype = DType::f32) {
  Tensor tensor = Tensor::empty(shape);
  std::uint32_t place = 0;
  for (float& value : tensor.mutable_data<float>()) value = hashed_unit(seed, place++);
  return tensor.cast(dtype);
}

namespace golden {

inline void put_row_edges(std::span<float> values, std::int64_t row_size) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const auto size = static_cast<std::size_t>(row_size);
  for (std::size_t r = 0; r < values.size() / size; ++r) {
    const auto row = values.subspan(r * size, size);
    float& one = row[r % size];
    if (r % 6 == 1) one = std::numeric_limits<float>::quiet_NaN();
    if (r % 6 == 2) one = kInf;
    if (r % 6 == 3) std::fill(row.begin(), row.end(), -kInf);
    if (r % 6 == 4) one = -kInf;
    if (r % 6 == 5) {
      for (float& value : row) value *= -1e4f;
    }
  }
}

inline Tensor float_values(std::uint32_t seed, const Shape& shape, std::string_view kind) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kEdges[] = {std::numeric_limits<float>::quiet_NaN(),
                              kInf,
                              -kInf,
                              -0.f,
                              0.f,
                              1e30f,
                              -1e30f,
                              88.5f,
                              -88.5f,
                              -1000.f,
                              20.5f,
                              -20.5f};
  Tensor tensor = hashed_tensor(seed, shape);
  const auto values = tensor.mutable_data<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    // Rounded once, as the sums in Python are.
    if (kind == "wide") values[i] = static_cast<float>(double{values[i]} * 100);
    if (kind == "positive") values[i] = static_cast<float>(double{values[i]} + 1 + 0x1p-10);
    if (kind == "edge" && i % 2 == 0) values[i] = kEdges[i / 2 % std::size(kEdges)];
  }
  if (kind == "row_edge") put_row_edges(values, shape.dim(-1));
  return tensor;
}

inline std::uint64_t int_bits(std::uint32_t seed, std::uint32_t place, DType dtype,
                              std::string_view kind) {
  const std::uint32_t bits = hashed_bits(seed, place);
  const auto limit_after = [&](std::string_view word) {
    std::uint32_t limit = 0;
    std::from_chars(kind.data() + word.size(), kind.data() + kind.size(), limit);
    return limit;
  };
  if (dtype == DType::boolean) return bits & 1;
  if (kind.starts_with("ids")) return bits % limit_after("ids");
  if (kind.starts_with("signed_ids")) {
    const std::uint32_t limit = limit_after("signed_ids");
    return std::uint64_t{bits % (2 * limit)} - limit;
  }
  if (kind == "full" || kind == "nonzero") {
    return std::uint64_t{bits} << 32 | hashed_bits(seed + 100, place);
  }
  const bool is_signed = to_string(dtype)[0] == 'i';
  return std::uint64_t{bits % 201} - (is_signed ? 100 : 0);
}

template <class T>
Tensor int_values(std::uint32_t seed, const Shape& shape, std::string_view kind) {
  Tensor tensor = Tensor::empty(shape, dtype_of<T>);
  std::uint32_t place = 0;
  for (T& value : tensor.mutable_data<T>()) {
    value = static_cast<T>(int_bits(seed, place++, dtype_of<T>, kind));
    if (kind == "nonzero" && value == 0) value = 1;
  }
  return tensor;
}

}  // namespace golden
}  // namespace quern
