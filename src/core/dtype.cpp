#include "quern/dtype.h"

#include "core/visit.h"

namespace quern {

std::string_view to_string(DType dtype) noexcept {
  constexpr std::string_view kNames[] = {
      "f32",    "f64",        "f16",    "bf16",   "i8",   "u8",     "i16",      "u16",
      "i32",    "u32",        "i64",    "u64",    "bool", "string", "f8e4m3fn", "f8e4m3fnuz",
      "f8e5m2", "f8e5m2fnuz", "f8e8m0", "f4e2m1", "i4",   "u4",     "i2",       "u2"};
  return kNames[static_cast<unsigned>(dtype)];
}

std::size_t size_of(DType dtype) noexcept {
  return visit_dtype(dtype, [](auto tag) { return sizeof(typename decltype(tag)::type); });
}

}  // namespace quern
