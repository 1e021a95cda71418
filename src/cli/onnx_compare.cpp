#include "cli/onnx_compare.h"

#include <algorithm>
#include <cmath>

namespace quern::cli {
namespace {

Tolerance widened(const Tolerance& tolerance, DType dtype) {
  switch (dtype) {
    case DType::f16:
      return {std::max(tolerance.relative, 2e-3), std::max(tolerance.absolute, 2e-3)};
    case DType::bf16:
      return {std::max(tolerance.relative, 1.6e-2), std::max(tolerance.absolute, 1.6e-2)};
    default:
      return tolerance;
  }
}

bool close(double got, double want, const Tolerance& tolerance) {
  if (std::isnan(got) || std::isnan(want)) return std::isnan(got) && std::isnan(want);
  if (std::isinf(got) || std::isinf(want)) return got == want;
  return std::abs(got - want) <= tolerance.absolute + tolerance.relative * std::abs(want);
}

std::string differing_strings(const Tensor& got, const Tensor& want) {
  const Tensor a = got.contiguous();
  const Tensor b = want.contiguous();
  const auto [x, y] = std::ranges::mismatch(a.data<std::string>(), b.data<std::string>());
  return y == b.data<std::string>().end() ? "" : "\"" + *x + "\" where \"" + *y + "\" is expected";
}

std::string differing_numbers(const Tensor& got, const Tensor& want, const Tolerance& given) {
  const Tolerance tolerance = widened(given, want.dtype());
  const Tensor a = got.cast(DType::f64).contiguous();
  const Tensor b = want.cast(DType::f64).contiguous();
  std::size_t count = 0;
  std::size_t first = 0;
  const auto x = a.data<double>();
  const auto y = b.data<double>();
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (!close(x[i], y[i], tolerance) && count++ == 0) first = i;
  }
  if (count == 0) return "";
  return std::to_string(count) + " of " + std::to_string(y.size()) + " elements differ: element " +
         std::to_string(first) + " is " + std::to_string(x[first]) + ", expected " +
         std::to_string(y[first]);
}

std::string differing_tensors(const Tensor& got, const Tensor& want, const Tolerance& tolerance) {
  if (got.dtype() != want.dtype()) {
    return "dtype " + std::string(to_string(got.dtype())) + ", expected " +
           std::string(to_string(want.dtype()));
  }
  if (got.shape() != want.shape())
    return "shape " + to_string(got.shape()) + ", expected " + to_string(want.shape());
  return want.dtype() == DType::string ? differing_strings(got, want)
                                       : differing_numbers(got, want, tolerance);
}

}  // namespace

std::string difference(const onnx::Value& got, const onnx::Value& want,
                       const Tolerance& tolerance) {
  if (got.kind() != want.kind()) {
    return "a " + std::string(to_string(got.kind())) + ", expected a " +
           std::string(to_string(want.kind()));
  }
  if (want.is_none()) return "";
  if (want.is_tensor()) return differing_tensors(got.tensor(), want.tensor(), tolerance);
  if (got.items().size() != want.items().size()) {
    return std::to_string(got.items().size()) + " items, expected " +
           std::to_string(want.items().size());
  }
  for (std::size_t i = 0; i < want.items().size(); ++i) {
    const std::string found = difference(got.items()[i], want.items()[i], tolerance);
    if (!found.empty()) return "item " + std::to_string(i) + ": " + found;
  }
  return "";
}

}  // namespace quern::cli
