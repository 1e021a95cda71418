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

constexpr Operator kLogicOperators[] = {
    {"And", 1, binary<ops::logical_and>, kSame},
    {"BitShift", 11, bit_shift, kSame},
    {"BitwiseAnd", 18, binary<ops::bitwise_and>, kSame},
    {"BitwiseNot", 18, unary<ops::bitwise_not>, kSame},
    {"BitwiseOr", 18, binary<ops::bitwise_or>, kSame},
    {"BitwiseXor", 18, binary<ops::bitwise_xor>, kSame},
    {"Equal", 1, binary<ops::equal>, kSame},
    {"Greater", 1, binary<ops::greater>, kSame},
    {"GreaterOrEqual", 12, binary<ops::greater_equal>, kSame},
    {"IsInf", 10, is_inf, kSame},
    {"IsNaN", 9, unary<ops::is_nan>, kSame},
    {"Less", 1, binary<ops::less>, kSame},
    {"LessOrEqual", 12, binary<ops::less_equal>, kSame},
    {"Not", 1, unary<ops::logical_not>, kSame},
    {"Or", 1, binary<ops::logical_or>, kSame},
    {"Where", 9, where, kSame},
    {"Xor", 1, binary<ops::logical_xor>, kSame},
};

}  // namespace

OperatorTable logic_operators() { return kLogicOperators; }

}  // namespace quern::onnx
