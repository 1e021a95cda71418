#include <cmath>

#include "core/format.h"
#include "onnx/import/functions.h"
#include "ops/packed_weight.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

struct GemmAttributes {
  float alpha, beta;
  bool transpose_a, transpose_b;
};

Tensor turned(const Tensor& x, bool transposed) { return transposed ? x.transpose(0, 1) : x; }

Tensor scaled(const Tensor& x, float factor) {
  return factor == 1.f ? x : ops::mul(x, Tensor::full({}, factor, x.dtype()));
}

/// alpha * product + beta * C.
Tensor finish_gemm(const Tensor& product, const Inputs& in, const GemmAttributes& attributes) {
  const Tensor result = scaled(product, attributes.alpha);
  if (!in.has(2)) return result;
  const Shape shape = broadcast_shapes(result.shape(), in[2].shape());
  require(shape == result.shape(), "C {} does not broadcast to {}", in[2].shape(), result.shape());
  return ops::add(result, scaled(in[2], attributes.beta));
}

Tensor gemm_of(const Inputs& in, const GemmAttributes& attributes) {
  for (const std::size_t i : {0, 1})
    require(in[i].rank() == 2, "input {} has shape {}, expected a matrix", i, in[i].shape());
  const Tensor product =
      ops::matmul(turned(in[0], attributes.transpose_a), turned(in[1], attributes.transpose_b));
  return finish_gemm(product, in, attributes);
}

/// The bias [columns] where C is a constant that a product with weights can add as it goes.
std::optional<Tensor> constant_bias(const Node& node, const ImportContext& context,
                                    const GemmAttributes& attributes, std::int64_t columns) {
  const Tensor* bias = context.graph.constant(node.input(2));
  const bool fits = bias != nullptr && bias->dtype() == DType::f32 && bias->numel() == columns &&
                    bias->rank() > 0 && bias->dim(-1) == columns && bias->rank() <= 2 &&
                    attributes.alpha == 1.f && attributes.beta == 1.f;
  return fits ? std::optional(bias->reshape({columns}).contiguous()) : std::nullopt;
}

KernelPtr gemm(const Node& node, const ImportContext& context) {
  const GemmAttributes attributes{node.attributes.get("alpha", 1.f),
                                  node.attributes.get("beta", 1.f),
                                  node.attributes.get("transA", std::int64_t{0}) != 0,
                                  node.attributes.get("transB", std::int64_t{0}) != 0};
  const Tensor* weight = context.graph.constant(node.input(1));
  const bool packs = weight != nullptr && weight->dtype() == DType::f32 && weight->rank() == 2 &&
                     weight->numel() > 0;
  if (!packs) return make_kernel([=](const Inputs& in) { return gemm_of(in, attributes); });
  const ops::PackedWeight packed(turned(*weight, !attributes.transpose_b).contiguous(),
                                 Accuracy::exact);
  ops::LinearOptions options;
  options.bias = constant_bias(node, context, attributes, packed.out_features());
  return make_kernel([=](const Inputs& in) {
    const Tensor x = turned(in[0], attributes.transpose_a);
    require(x.rank() == 2, "input 0 has shape {}, expected a matrix", x.shape());
    const Tensor product = ops::linear(x, packed, options);
    return options.bias ? product : finish_gemm(product, in, attributes);
  });
}

KernelPtr einsum(const Node& node, const ImportContext&) {
  const auto equation = node.attributes.get<std::string>("equation");
  return make_kernel([equation](const Inputs& in) { return ops::einsum(equation, in.tensors()); });
}

// clang-format off
constexpr Operator kLinearAlgebraOperators[] = {
    {.op_type = "Det", .since = 11, .inputs = {1, 1}, .import = unary<ops::det>,
     .mapping = {.shapes = kSame}},
    {.op_type = "Einsum", .since = 12, .inputs = {1, kAnyNumber}, .import = einsum,
     .mapping = {.shapes = kSame}},
    {.op_type = "Gemm", .inputs = {3, 3}, .import = gemm,
     .mapping = {.shapes = kSame, .dims = gemm_dims, .rows = follow_gemm}, .finite = Finite::of_all,
     .gradient = gradients::gemm},
    {.op_type = "Gemm", .since = 11, .inputs = {2, 3}, .import = gemm,
     .mapping = {.shapes = kSame, .dims = gemm_dims, .rows = follow_gemm}, .finite = Finite::of_all,
     .gradient = gradients::gemm},
    {.op_type = "MatMul", .inputs = {2, 2}, .import = binary<ops::matmul>,
     .mapping = {.shapes = kSame, .dims = matmul_dims, .rows = follow_matmul},
     .finite = Finite::of_all, .gradient = gradients::matmul},
};
// clang-format on

}  // namespace

OperatorTable linear_algebra_operators() { return kLinearAlgebraOperators; }

}  // namespace quern::onnx
