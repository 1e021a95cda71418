#include "ops/binary.h"

#include <cmath>
#include <string_view>

#include "core/visit.h"
#include "ops/elements.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

using backend::Binary;

std::string_view name_of(Binary operation) {
  switch (operation) {
    case Binary::add:
      return "add";
    case Binary::sub:
      return "sub";
    case Binary::mul:
      return "mul";
    case Binary::div:
      return "div";
    case Binary::minimum:
      return "minimum";
    case Binary::maximum:
      return "maximum";
  }
  return "binary";
}

template <Binary kOperation, class T>
T compute(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    // Unsigned arithmetic wraps where signed would be undefined.
    using Wrap = std::make_unsigned_t<T>;
    const auto x = static_cast<Wrap>(a);
    const auto y = static_cast<Wrap>(b);
    if constexpr (kOperation == Binary::add) return static_cast<T>(x + y);
    if constexpr (kOperation == Binary::sub) return static_cast<T>(x - y);
    if constexpr (kOperation == Binary::mul)
      return static_cast<T>(std::uint64_t{x} * std::uint64_t{y});
    if constexpr (kOperation == Binary::div) {
      require(b != 0, "div: division of an integer by zero");
      return std::is_signed_v<T> && b == static_cast<T>(-1) ? static_cast<T>(Wrap{0} - x)
                                                            : static_cast<T>(a / b);
    }
    if constexpr (kOperation == Binary::minimum) return b < a ? b : a;
    if constexpr (kOperation == Binary::maximum) return a < b ? b : a;
  } else {
    if constexpr (kOperation == Binary::add) return a + b;
    if constexpr (kOperation == Binary::sub) return a - b;
    if constexpr (kOperation == Binary::mul) return a * b;
    if constexpr (kOperation == Binary::div) return a / b;
    if constexpr (kOperation == Binary::minimum) return std::isnan(a) || a < b ? a : b;
    if constexpr (kOperation == Binary::maximum) return std::isnan(a) || b < a ? a : b;
  }
}

template <Binary kOperation, class T>
void run_elements(const BinaryArgs& args) {
  zip_into<T, T, T>(
      args.a, args.b, args.dst, [](auto a, auto b) { return compute<kOperation>(a, b); },
      kMovedGrain);
}

bool run_reference(const BinaryArgs& args) {
  visit_numeric(name_of(args.operation), args.dst.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>) {
      fail(ErrorCode::unsupported, "{}: expected numbers, got bool", name_of(args.operation));
    } else {
      switch (args.operation) {
        case Binary::add:
          return run_elements<Binary::add, T>(args);
        case Binary::sub:
          return run_elements<Binary::sub, T>(args);
        case Binary::mul:
          return run_elements<Binary::mul, T>(args);
        case Binary::div:
          return run_elements<Binary::div, T>(args);
        case Binary::minimum:
          return run_elements<Binary::minimum, T>(args);
        case Binary::maximum:
          return run_elements<Binary::maximum, T>(args);
      }
    }
  });
  return true;
}

bool run_onednn(const BinaryArgs& args) {
  constexpr std::int64_t kWorthIt =
      16384;  // elements; below this, preparing costs more than it saves
  const DType dtype = args.dst.dtype();
  const bool takes = (dtype == DType::f32 || dtype == DType::bf16) &&
                     args.dst.numel() >= kWorthIt && args.a.is_contiguous() &&
                     args.b.is_contiguous() &&
                     // NaN must win, which oneDNN's minimum and maximum do not promise.
                     args.operation != Binary::minimum && args.operation != Binary::maximum;
  if (!takes) return false;
  const backend::TensorDesc flat = backend::dense_desc(dtype, {args.dst.numel()});
  const auto operation =
      backend::try_prepare(backend::BinaryDesc{flat, flat, flat, args.operation, {}});
  if (!operation) return false;
  operation->run({{backend::Slot::src, args.a.raw()},
                  {backend::Slot::src1, args.b.raw()},
                  {backend::Slot::dst, args.dst.raw()}});
  return true;
}

constexpr Implementation<BinaryArgs> kBinaryImplementations[] = {{"onednn", run_onednn},
                                                                 {"reference", run_reference}};

Tensor binary(Binary operation, const Tensor& a, const Tensor& b) {
  require_same_dtype(name_of(operation), a, b);
  const Shape shape = broadcast_shapes(a.shape(), b.shape());
  BinaryArgs args{operation, a.expand(shape), b.expand(shape), Tensor::empty(shape, a.dtype())};
  run_first(binary_implementations(), args);
  return args.dst;
}

}  // namespace

std::span<const Implementation<BinaryArgs>> binary_implementations() {
  return kBinaryImplementations;
}

Tensor add(const Tensor& a, const Tensor& b) { return binary(Binary::add, a, b); }
Tensor sub(const Tensor& a, const Tensor& b) { return binary(Binary::sub, a, b); }
Tensor mul(const Tensor& a, const Tensor& b) { return binary(Binary::mul, a, b); }
Tensor div(const Tensor& a, const Tensor& b) { return binary(Binary::div, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return binary(Binary::minimum, a, b); }
Tensor maximum(const Tensor& a, const Tensor& b) { return binary(Binary::maximum, a, b); }

}  // namespace quern::ops
