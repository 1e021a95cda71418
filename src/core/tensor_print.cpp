#include <fmt/format.h>

#include "core/format.h"
#include "core/visit.h"
#include "quern/tensor.h"

namespace quern {
namespace {

constexpr std::int64_t kEdge = 3;  // elements shown at each end of a long axis

template <class T>
std::string print_element(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return fmt::format("\"{}\"", value);
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_integral_v<T>) {
    return fmt::format(
        "{}",
        static_cast<std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>(value));
  } else {
    return fmt::format("{:.5g}", static_cast<double>(static_cast<Compute<T>>(value)));
  }
}

template <class T>
void print_axis(std::string& text, const Tensor& tensor, const T* data, int axis) {
  if (axis == tensor.rank()) {
    text += print_element(*data);
    return;
  }
  const std::int64_t size = tensor.shape()[axis];
  const bool nested = axis + 1 < tensor.rank();
  text += '[';
  for (std::int64_t i = 0; i < size; ++i) {
    if (i > 0) text += nested ? ",\n" + std::string(static_cast<std::size_t>(axis) + 1, ' ') : ", ";
    if (size > 2 * kEdge && i == kEdge) {
      text += nested ? "...,\n" + std::string(static_cast<std::size_t>(axis) + 1, ' ') : "..., ";
      i = size - kEdge;
    }
    print_axis(text, tensor, data + i * tensor.strides()[axis], axis + 1);
  }
  text += ']';
}

}  // namespace

std::string Tensor::to_string() const {
  std::string text = fmt::format("{} {}\n", dtype_, shape_);
  const Tensor shown = is_narrow(dtype_) ? cast(DType::f32) : *this;
  visit_dtype(shown.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (is_number<T> || std::is_same_v<T, std::string>)
      print_axis(text, shown, static_cast<const T*>(shown.raw()), 0);
  });
  return text;
}

}  // namespace quern
