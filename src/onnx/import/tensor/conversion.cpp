#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

ops::CastOptions cast_options(const Node& node) {
  const std::string rounding = node.attributes.get("round_mode", "up");
  ops::CastOptions options{.saturate = node.attributes.get("saturate", std::int64_t{1}) != 0,
                           .wrap = true};
  if (rounding == "up") {
    options.rounding = ops::CastRounding::up;
  } else if (rounding == "down") {
    options.rounding = ops::CastRounding::down;
  } else if (rounding != "nearest") {
    fail(ErrorCode::corrupt_file, "round_mode \"{}\"; known are up, down and nearest", rounding);
  }
  return options;
}

Tensor cast_by_rules(const Tensor& x, DType dtype, ops::CastOptions options) {
  // round_mode is only of this type.
  if (dtype != DType::f8e8m0) options.rounding = ops::CastRounding::nearest_even;
  return ops::cast(x, dtype, options);
}

KernelPtr cast(const Node& node, const ImportContext&) {
  const DType dtype = dtype_of_code(node.attributes.get<std::int64_t>("to"));
  return make_kernel([dtype, options = cast_options(node)](const Inputs& in) {
    return cast_by_rules(in[0], dtype, options);
  });
}

KernelPtr cast_like(const Node& node, const ImportContext&) {
  return make_kernel([options = cast_options(node)](const Inputs& in) {
    return cast_by_rules(in[0], in[1].dtype(), options);
  });
}

KernelPtr bit_cast(const Node& node, const ImportContext&) {
  const DType dtype = dtype_of_code(node.attributes.get<std::int64_t>("to"));
  return make_kernel([dtype](const Inputs& in) { return ops::bit_cast(in[0], dtype); });
}

// clang-format off
constexpr Operator kConversionOperators[] = {
    {.op_type = "BitCast", .since = 26, .import = bit_cast, .mapping = {.shapes = kSame}},
    {.op_type = "Cast", .inputs = {1, 1}, .import = cast,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_like_first, .sizes = same_sizes,
                 .elementwise = true}, .finite = Finite::of_first, .carries_sizes = true,
     .gradient = gradients::cast},
    {.op_type = "CastLike", .since = 15, .inputs = {2, 2}, .import = cast_like,
     .mapping = {.shapes = kSame}},
};
// clang-format on

}  // namespace

OperatorTable conversion_operators() { return kConversionOperators; }

}  // namespace quern::onnx
