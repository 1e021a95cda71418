#include <optional>

#include "core/buffer.h"
#include "core/format.h"
#include "onnx/import/import.h"
#include "ops/block_codes.h"
#include "ops/packed_weight.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

ops::BlockCodes block_codes(const Node& node) {
  const ops::BlockCodes codes{.out = node.attributes.get<std::int64_t>("N"),
                              .in = node.attributes.get<std::int64_t>("K"),
                              .bits = node.attributes.get("bits", std::int64_t{4}),
                              .block = node.attributes.get<std::int64_t>("block_size")};
  if (codes.bits != 2 && codes.bits != 4 && codes.bits != 8)
    fail(ErrorCode::unsupported, "weights of {} bits; known: 2, 4, 8", codes.bits);
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  const bool sizes = codes.out > 0 && codes.out < kMost && codes.in > 0 && codes.in < kMost;
  if (!sizes || codes.block < 16 || codes.block >= kMost || (codes.block & (codes.block - 1)) != 0)
    fail(ErrorCode::corrupt_file, "weight [{}, {}] in blocks of {}", codes.out, codes.in,
         codes.block);
  return codes;
}

/// Of activations: 8 bits where the node lets them be, `accuracy_level` 4.
Accuracy accuracy_of(const Node& node) {
  return node.attributes.get("accuracy_level", std::int64_t{0}) == 4 ? Accuracy::fast
                                                                     : Accuracy::exact;
}

/// MatMulNBits: a constant weight stays in its codes where the kernels can read them, else it is
/// decoded once.
class CodedProduct final : public Kernel {
 public:
  CodedProduct(const Node& node, const ImportContext& context)
      : codes_(block_codes(node)), accuracy_(accuracy_of(node)) {
    for (const std::size_t input : {1, 2, 3, 4}) {
      if (node.has_input(input) && context.graph.constant(node.input(input)) == nullptr) return;
    }
    const auto find = [&](std::size_t input) {
      const Tensor* constant = context.graph.constant(node.input(input));
      return constant != nullptr ? std::optional(*constant) : std::nullopt;
    };
    const auto packed = find(1);
    const auto scales = find(2);
    if (packed && scales) weight_ = packed_weight(*packed, *scales, find(3), find(4));
  }

  void run(const Inputs& in, Outputs& out) const override {
    require(in[0].rank() > 0 && in[0].dim(-1) == codes_.in, "A {} for a weight [{}, {}]",
            in[0].shape(), codes_.out, codes_.in);
    const auto weight = weight_ ? *weight_ : packed_weight(in[1], in[2], in.find(3), in.find(4));
    ops::LinearOptions options;
    if (in.has(5)) options.bias = in[5].cast(DType::f32);
    out.set(0, ops::linear(in[0], weight, options));
  }

  bool reads(std::size_t input) const override { return !weight_ || input == 0 || input > 4; }

 private:
  ops::PackedWeight packed_weight(const Tensor& packed, const Tensor& scales,
                                  const std::optional<Tensor>& zeros,
                                  const std::optional<Tensor>& groups) const {
    const BufferScope heap(nullptr);  // it outlives what it is made in
    if (auto blocks = ops::as_blocks(codes_, packed, scales, zeros, groups))
      return ops::PackedWeight(std::move(*blocks), accuracy_);
    return ops::PackedWeight(ops::decode_block_codes(codes_, packed, scales, zeros, groups),
                             accuracy_);
  }

  ops::BlockCodes codes_;
  Accuracy accuracy_;
  std::optional<ops::PackedWeight> weight_;
};

KernelPtr matmul_bits(const Node& node, const ImportContext& context) {
  return std::make_unique<const CodedProduct>(node, context);
}

// clang-format off
constexpr Operator kMatMulBitsOperators[] = {
    {.op_type = "MatMulNBits", .domain = kMicrosoft, .import = matmul_bits,
     .mapping = {.shapes = kSame}},
};
// clang-format on

}  // namespace

OperatorTable matmul_bits_operators() { return kMatMulBitsOperators; }

}  // namespace quern::onnx
