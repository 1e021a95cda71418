#include "backend/packed_product.h"

#include <algorithm>
#include <optional>

#include "backend/onednn.h"

namespace quern::backend {
namespace {

/// A matrix [rows, columns] as an image of one row, whose places have a channel for each column.
TensorDesc as_image(const TensorDesc& matrix) {
  return channels_last_desc(matrix.dtype, {1, matrix.shape[1], 1, matrix.shape[0]});
}

/// The same product as a convolution of places that see only themselves. Nothing where matrices
/// have gaps.
std::optional<ConvDesc> as_convolution(const MatMulDesc& desc) {
  const auto is_dense = [](const TensorDesc& matrix) {
    return matrix.strides == row_major_strides(matrix.shape);
  };
  if (!is_dense(desc.src) || !is_dense(desc.dst)) return std::nullopt;
  const auto& [dtype, shape, strides] = desc.weights;
  ConvDesc made{.src = as_image(desc.src),
                .weights = {dtype, {shape[1], shape[0], 1, 1}, {strides[1], strides[0], 1, 1}},
                .dst = as_image(desc.dst),
                .bias = {},
                .window = {{1, 1}, {1, 1}, {0, 0}, {0, 0}},
                .post_ops = desc.post_ops};
  for (const TensorDesc& bias : desc.bias)
    made.bias.push_back(dense_desc(DType::f32, {bias.shape[1]}));
  for (PostOp& step : made.post_ops) {
    if (step.kind != PostOp::Kind::binary) continue;
    if (!is_dense(step.operand)) return std::nullopt;
    step.operand = as_image(step.operand);
  }
  return made;
}

/// oneDNN 2 has no product of its own for AVX2 but one for matrices that are given plain, and its
/// convolutions there are twice as fast.
bool suits_convolution(const MatMulDesc& desc) {
  return version::effective_isa() == Isa::avx2 && desc.src.dtype == DType::f32;
}

OperationPtr prepare_convolution(const MatMulDesc& desc) {
  const auto convolution = as_convolution(desc);
  const OperationPtr made = convolution ? try_prepare(*convolution) : nullptr;
  // Its kernels for any shape gather what others read in place, and read some operands wrongly.
  const bool is_own = made && made->kernel().find("1x1") != std::string::npos;
  return is_own ? made : nullptr;
}

OperationPtr prepare_product(const MatMulDesc& desc) { return try_prepare(desc); }

/// In the order in which they are tried.
struct Implementation {
  bool (*suits)(const MatMulDesc&);
  OperationPtr (*prepare)(const MatMulDesc&);
};
constexpr Implementation kPackedProducts[] = {
    {suits_convolution, prepare_convolution},
    {[](const MatMulDesc&) { return true; }, prepare_product},
};

}  // namespace

OperationPtr try_prepare_packed(const MatMulDesc& desc) {
  for (const Implementation& each : kPackedProducts) {
    if (!each.suits(desc)) continue;
    if (OperationPtr made = each.prepare(desc)) return made;
  }
  return nullptr;
}

}  // namespace quern::backend
