#include "onnx/import/functions.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

KernelPtr bit_shift(const Node& node, const ImportContext& context) {
  const auto& direction = node.attributes.get<std::string>("direction");
  if (direction == "LEFT") return binary<ops::shift_left>(node, context);
  if (direction == "RIGHT") return binary<ops::shift_right>(node, context);
  fail(ErrorCode::corrupt_file, "direction is \"{}\"; known: LEFT, RIGHT", direction);
}

KernelPtr is_inf(const Node& node, const ImportContext&) {
  const bool negative = node.attributes.get("detect_negative", std::int64_t{1}) != 0;
  const bool positive = node.attributes.get("detect_positive", std::int64_t{1}) != 0;
  return make_kernel([negative, positive](const Inputs& in) {
    using ops::InfinitySign;
    if (!negative && !positive) return Tensor::zeros(in[0].shape(), DType::boolean);
    if (negative && positive) return ops::is_inf(in[0]);
    return ops::is_inf(in[0], negative ? InfinitySign::negative : InfinitySign::positive);
  });
}

KernelPtr where(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return ops::where(in[0], in[1], in[2]); });
}

// clang-format off
constexpr Operator kLogicOperators[] = {
    {.op_type = "And", .inputs = {2, 2}, .import = binary<ops::logical_and>,
     .mapping = kBroadcasting},
    {.op_type = "BitShift", .since = 11, .inputs = {2, 2}, .import = bit_shift,
     .mapping = kBroadcasting},
    {.op_type = "BitwiseAnd", .since = 18, .inputs = {2, 2}, .import = binary<ops::bitwise_and>,
     .mapping = kBroadcasting},
    {.op_type = "BitwiseNot", .since = 18, .inputs = {1, 1}, .import = unary<ops::bitwise_not>,
     .mapping = kElementwise},
    {.op_type = "BitwiseOr", .since = 18, .inputs = {2, 2}, .import = binary<ops::bitwise_or>,
     .mapping = kBroadcasting},
    {.op_type = "BitwiseXor", .since = 18, .inputs = {2, 2}, .import = binary<ops::bitwise_xor>,
     .mapping = kBroadcasting},
    {.op_type = "Equal", .inputs = {2, 2}, .import = binary<ops::equal>, .mapping = kBroadcasting},
    {.op_type = "Greater", .inputs = {2, 2}, .import = binary<ops::greater>,
     .mapping = kBroadcasting},
    {.op_type = "GreaterOrEqual", .since = 12, .inputs = {2, 2},
     .import = binary<ops::greater_equal>, .mapping = kBroadcasting},
    {.op_type = "IsInf", .since = 10, .inputs = {1, 1}, .import = is_inf, .mapping = kElementwise},
    {.op_type = "IsNaN", .since = 9, .inputs = {1, 1}, .import = unary<ops::is_nan>,
     .mapping = kElementwise},
    {.op_type = "Less", .inputs = {2, 2}, .import = binary<ops::less>, .mapping = kBroadcasting},
    {.op_type = "LessOrEqual", .since = 12, .inputs = {2, 2}, .import = binary<ops::less_equal>,
     .mapping = kBroadcasting},
    {.op_type = "Not", .inputs = {1, 1}, .import = unary<ops::logical_not>,
     .mapping = kElementwise},
    {.op_type = "Or", .inputs = {2, 2}, .import = binary<ops::logical_or>,
     .mapping = kBroadcasting},
    {.op_type = "Where", .since = 9, .inputs = {3, 3}, .import = where, .mapping = kBroadcasting},
    {.op_type = "Xor", .inputs = {2, 2}, .import = binary<ops::logical_xor>,
     .mapping = kBroadcasting},
};
// clang-format on

}  // namespace

OperatorTable logic_operators() { return kLogicOperators; }

}  // namespace quern::onnx
