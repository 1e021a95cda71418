#include <array>
#include <functional>
#include <limits>
#include <optional>

#include "core/format.h"
#include "onnx/import/import.h"
#include "ops/packed_weight.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

// ---- A convolution or product, and the activation after it ----

/// The activation that a fused node names, `parameters` in the order of its own attributes.
std::function<Tensor(const Tensor&)> named_activation(const std::string& name,
                                                      const std::vector<float>& parameters) {
  const auto parameter = [&](std::size_t index, float otherwise) {
    return index < parameters.size() ? parameters[index] : otherwise;
  };
  if (name.empty()) return [](const Tensor& x) { return x; };
  if (name == "Relu") return [](const Tensor& x) { return ops::relu(x); };
  if (name == "Sigmoid") return [](const Tensor& x) { return ops::sigmoid(x); };
  if (name == "Tanh") return [](const Tensor& x) { return ops::tanh(x); };
  if (name == "LeakyRelu") {
    return [alpha = parameter(0, 0.01f)](const Tensor& x) { return ops::leaky_relu(x, alpha); };
  }
  if (name == "Clip") {
    return [low = parameter(0, -std::numeric_limits<float>::max()),
            high = parameter(1, std::numeric_limits<float>::max())](const Tensor& x) {
      return ops::clip(x, low, high);
    };
  }
  if (name == "HardSigmoid") {
    return [alpha = parameter(0, 0.2f), beta = parameter(1, 0.5f)](const Tensor& x) {
      const Tensor line = ops::add(ops::mul(x, Tensor::full({}, alpha, x.dtype())),
                                   Tensor::full({}, beta, x.dtype()));
      return ops::clip(line, 0.f, 1.f);
    };
  }
  fail(ErrorCode::unsupported,
       "activation is \"{}\"; known: Clip, HardSigmoid, LeakyRelu, Relu, Sigmoid, Tanh", name);
}

/// The result of an operator of ai.onnx on the first three inputs, the fourth added to it, through
/// an activation.
class Activated final : public Kernel {
 public:
  Activated(const Node& node, const char* op_type, std::int64_t opset, const ImportContext& context,
            const std::vector<float>& parameters)
      : activation_(named_activation(node.attributes.get("activation", ""), parameters)) {
    Node plain = node;
    plain.domain.clear();
    plain.op_type = op_type;
    plain.opset = opset;
    kernel_ = find_operator("", op_type, opset)->import(plain, context);
  }

  void run(const Inputs& in, Outputs& out) const override {
    const std::array<const Value*, 3> inputs{&in.value(0), &in.value(1), &in.value(2)};
    std::array<Value, 1> results;
    Outputs plain(results);
    kernel_->run(Inputs(inputs), plain);
    const Tensor& y = results[0].tensor();
    out.set(0, activation_(in.has(3) ? ops::add(y, in[3]) : y));
  }

 private:
  std::function<Tensor(const Tensor&)> activation_;
  KernelPtr kernel_;
};

KernelPtr fused_conv(const Node& node, const ImportContext& context) {
  return std::make_unique<const Activated>(
      node, "Conv", 11, context,
      node.attributes.find<std::vector<float>>("activation_params").value_or(std::vector<float>{}));
}

KernelPtr fused_gemm(const Node& node, const ImportContext& context) {
  std::vector<float> parameters;
  for (const char* name : {"activation_alpha", "activation_beta", "activation_gamma"}) {
    if (const auto value = node.attributes.find<float>(name)) parameters.push_back(*value);
  }
  return std::make_unique<const Activated>(node, "Gemm", 13, context, parameters);
}

// ---- Products with weights of a few bits ----

/// A weight [out, in] in codes of 4 or 8 bits: [out, blocks, block bytes], a scale for each block.
struct BlockCodes {
  std::int64_t out, in, bits, block;

  std::int64_t blocks() const { return (in + block - 1) / block; }
  std::int64_t block_bytes() const { return block * bits / 8; }
  std::int64_t zero_row_bytes() const { return (blocks() * bits + 7) / 8; }

  /// The `index`-th code of a row of them.
  std::int32_t code(const std::uint8_t* row, std::int64_t index) const {
    if (bits == 8) return row[index];
    return row[index / 2] >> (index % 2 * 4) & 15;
  }
};

BlockCodes block_codes(const Node& node) {
  const BlockCodes codes{.out = node.attributes.get<std::int64_t>("N"),
                         .in = node.attributes.get<std::int64_t>("K"),
                         .bits = node.attributes.get("bits", std::int64_t{4}),
                         .block = node.attributes.get<std::int64_t>("block_size")};
  if (codes.bits != 4 && codes.bits != 8)
    fail(ErrorCode::unsupported, "weights of {} bits; known: 4, 8", codes.bits);
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  const bool sizes = codes.out > 0 && codes.out < kMost && codes.in > 0 && codes.in < kMost;
  if (!sizes || codes.block < 16 || codes.block >= kMost || (codes.block & (codes.block - 1)) != 0)
    fail(ErrorCode::corrupt_file, "weight [{}, {}] in blocks of {}", codes.out, codes.in,
         codes.block);
  return codes;
}

/// Zero points [out * blocks] as floats: packed codes, values of the scales' dtype, or the middle.
Tensor block_zeros(const BlockCodes& codes, const std::optional<Tensor>& given) {
  const std::int64_t blocks = codes.blocks();
  const std::int64_t count = codes.out * blocks;
  if (!given) return Tensor::full({count}, codes.bits == 8 ? 128 : 8);
  if (given->dtype() != DType::u8) {
    require(given->numel() == count, "zero points {}, expected {}", given->shape(), count);
    return given->cast(DType::f32).contiguous();
  }
  require(given->numel() == codes.out * codes.zero_row_bytes(), "zero points {} for {} blocks",
          given->shape(), count);
  const Tensor packed = given->contiguous();
  Tensor zeros = Tensor::empty({count});
  for (std::int64_t row = 0; row < codes.out; ++row) {
    const std::uint8_t* from = packed.data<std::uint8_t>().data() + row * codes.zero_row_bytes();
    for (std::int64_t i = 0; i < blocks; ++i)
      zeros.mutable_data<float>()[static_cast<std::size_t>(row * blocks + i)] =
          static_cast<float>(codes.code(from, i));
  }
  return zeros;
}

/// The weight [out, in] in f32.
Tensor decode_blocks(const BlockCodes& codes, const Tensor& packed, const Tensor& scales,
                     const std::optional<Tensor>& zeros, const std::optional<Tensor>& groups) {
  const std::int64_t blocks = codes.blocks();
  require(packed.dtype() == DType::u8 && packed.numel() == codes.out * blocks * codes.block_bytes(),
          "weight {} {}, expected u8 [{}, {}, {}]", packed.dtype(), packed.shape(), codes.out,
          blocks, codes.block_bytes());
  require(scales.numel() == codes.out * blocks, "scales {}, expected {}", scales.shape(),
          codes.out * blocks);
  require(!groups || (groups->dtype() == DType::i32 && groups->numel() >= codes.in),
          "g_idx has shape {}, expected {} of i32", groups ? groups->shape() : Shape{}, codes.in);
  const Tensor dense_codes = packed.contiguous();
  const Tensor dense_scales = scales.cast(DType::f32).contiguous();
  const Tensor dense_zeros = block_zeros(codes, zeros);
  const Tensor dense_groups = groups ? groups->contiguous() : Tensor();
  Tensor weight = Tensor::empty({codes.out, codes.in});
  const std::int32_t* group = groups ? dense_groups.data<std::int32_t>().data() : nullptr;
  for (std::int64_t row = 0; row < codes.out; ++row) {
    const std::uint8_t* from =
        dense_codes.data<std::uint8_t>().data() + row * blocks * codes.block_bytes();
    const float* scale = dense_scales.data<float>().data() + row * blocks;
    const float* zero = dense_zeros.data<float>().data() + row * blocks;
    float* to = weight.mutable_data<float>().data() + row * codes.in;
    for (std::int64_t i = 0; i < codes.in; ++i) {
      const std::int64_t at = group != nullptr ? group[i] : i / codes.block;
      require(at >= 0 && at < blocks, "g_idx {} of {} blocks", at, blocks);
      to[i] = (static_cast<float>(codes.code(from, i)) - zero[at]) * scale[at];
    }
  }
  return weight;
}

/// MatMulNBits: a constant weight is decoded once.
class CodedProduct final : public Kernel {
 public:
  CodedProduct(const Node& node, const ImportContext& context) : codes_(block_codes(node)) {
    for (const std::size_t input : {1, 2, 3, 4}) {
      if (node.has_input(input) && context.graph.constant(node.input(input)) == nullptr) return;
    }
    const auto find = [&](std::size_t input) {
      const Tensor* constant = context.graph.constant(node.input(input));
      return constant != nullptr ? std::optional(*constant) : std::nullopt;
    };
    const auto packed = find(1);
    const auto scales = find(2);
    if (packed && scales)
      weight_.emplace(decode_blocks(codes_, *packed, *scales, find(3), find(4)), Accuracy::exact);
  }

  void run(const Inputs& in, Outputs& out) const override {
    require(in[0].rank() > 0 && in[0].dim(-1) == codes_.in, "A {} for a weight [{}, {}]",
            in[0].shape(), codes_.out, codes_.in);
    const auto weight =
        weight_ ? *weight_
                : ops::PackedWeight(decode_blocks(codes_, in[1], in[2], in.find(3), in.find(4)),
                                    Accuracy::exact);
    ops::LinearOptions options;
    if (in.has(5)) options.bias = in[5].cast(DType::f32);
    out.set(0, ops::linear(in[0], weight, options));
  }

 private:
  BlockCodes codes_;
  std::optional<ops::PackedWeight> weight_;
};

KernelPtr matmul_bits(const Node& node, const ImportContext& context) {
  return std::make_unique<const CodedProduct>(node, context);
}

constexpr Operator kContribProductOperators[] = {
    {"FusedConv", 1, fused_conv, kSame, kPure, kMicrosoft},
    {"FusedGemm", 1, fused_gemm, kSame, kPure, kMicrosoft},
    {"MatMulNBits", 1, matmul_bits, kSame, kPure, kMicrosoft},
};

}  // namespace

OperatorTable contrib_product_operators() { return kContribProductOperators; }

}  // namespace quern::onnx
