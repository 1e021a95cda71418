#include "quern/dtype.h"

#include "core/visit.h"

namespace quern {

std::string_view to_string(DType dtype) noexcept {
  constexpr std::string_view kNames[] = {"f32", "f64", "f16", "bf16", "i8",  "u8",   "i16",
                                         "u16", "i32", "u32", "i64",  "u64", "bool", "string"};
  return kNames[static_cast<unsigned>(dtype)];
}

std::size_t size_of(DType dtype) noexcept {
  return visit_dtype(dtype, [](auto tag) { return sizeof(typename decltype(tag)::type); });
}

}  // namespace quern
