#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "quern/dtype.h"

namespace quern::io {

/// The format's names of dtypes.
inline constexpr std::array<std::pair<std::string_view, DType>, 13> kSafetensorsDTypes = {{
    {"F64", DType::f64},
    {"F32", DType::f32},
    {"F16", DType::f16},
    {"BF16", DType::bf16},
    {"I64", DType::i64},
    {"I32", DType::i32},
    {"I16", DType::i16},
    {"I8", DType::i8},
    {"U64", DType::u64},
    {"U32", DType::u32},
    {"U16", DType::u16},
    {"U8", DType::u8},
    {"BOOL", DType::boolean},
}};

constexpr std::optional<DType> safetensors_dtype(std::string_view name) noexcept {
  for (const auto& [known, dtype] : kSafetensorsDTypes) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

}  // namespace quern::io
