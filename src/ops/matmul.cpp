#include "ops/matmul.h"

#include <Eigen/Core>
#include <algorithm>

#include "backend/operation.h"
#include "core/strided.h"
#include "core/visit.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

Shape matrix_strides(const Shape& strides) {
  return {strides[strides.rank() - 2], strides[strides.rank() - 1]};
}

template <class T>
using MatrixView = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>, 0,
                              Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

template <class T>
MatrixView<T> view_matrix(const Tensor& tensor, std::int64_t offset) {
  const Shape strides = matrix_strides(tensor.strides());
  return {static_cast<const T*>(tensor.raw()) + offset,
          tensor.dim(-2),
          tensor.dim(-1),
          {strides[1], strides[0]}};
}

// Products of `Src` widened to `Wide`, stored as `Dst`.
template <class A, class B, class Wide, class Dst>
void multiply_matrices(const MatMulArgs& args) {
  const int batch_rank = args.dst.rank() - 2;
  const auto leading = [&](const Shape& shape) {
    return Shape(std::span(shape.begin(), static_cast<std::size_t>(batch_rank)));
  };
  auto* dst = static_cast<Dst*>(Tensor(args.dst).mutable_raw());
  for_each_run<3>(
      leading(args.dst.shape()),
      {leading(args.a.strides()), leading(args.b.strides()), leading(args.dst.strides())},
      [&](const auto& offsets, std::int64_t count, const auto& strides) {
        for (std::int64_t i = 0; i < count; ++i) {
          using Matrix = Eigen::Matrix<Wide, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
          const Matrix a =
              view_matrix<A>(args.a, offsets[0] + i * strides[0]).template cast<Wide>();
          const Matrix b =
              view_matrix<B>(args.b, offsets[1] + i * strides[1]).template cast<Wide>();
          const Matrix product = a * b;
          std::transform(product.data(), product.data() + product.size(),
                         dst + offsets[2] + i * strides[2],
                         [](Wide value) { return static_cast<Dst>(value); });
        }
      });
}

bool run_reference(const MatMulArgs& args) {
  switch (args.a.dtype()) {
    case DType::f32:
      multiply_matrices<float, float, float, float>(args);
      return true;
    case DType::f64:
      multiply_matrices<double, double, double, double>(args);
      return true;
    case DType::f16:
      multiply_matrices<Float16, Float16, float, Float16>(args);
      return true;
    case DType::bf16:
      multiply_matrices<BFloat16, BFloat16, float, BFloat16>(args);
      return true;
    case DType::i8:
      multiply_matrices<std::int8_t, std::int8_t, std::int32_t, std::int32_t>(args);
      return true;
    case DType::u8:
      multiply_matrices<std::uint8_t, std::int8_t, std::int32_t, std::int32_t>(args);
      return true;
    // Unsigned, so that an overflow wraps as PyTorch's does.
    case DType::i32:
    case DType::u32:
      multiply_matrices<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>(args);
      return true;
    case DType::i64:
    case DType::u64:
      multiply_matrices<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>(args);
      return true;
    default:
      return false;
  }
}

bool run_onednn(const MatMulArgs& args) {
  const DType dtype = args.a.dtype();
  const bool bytes = dtype == DType::i8 || dtype == DType::u8;
  if (dtype != DType::f32 && dtype != DType::bf16 && !bytes) return false;
  if (bytes && !backend::has_exact_bytes()) return false;
  if (args.dst.numel() == 0 || args.a.numel() == 0) return false;
  const Tensor a = has_plain_layout(args.a) ? args.a : args.a.contiguous();
  const Tensor b = has_plain_layout(args.b) ? args.b : args.b.contiguous();
  const auto operation = backend::try_prepare(backend::MatMulDesc{
      describe_operand(a), describe_operand(b), backend::describe(args.dst), {}, {}});
  if (!operation) return false;
  operation->run({{backend::Slot::src, a.raw()},
                  {backend::Slot::weights, b.raw()},
                  {backend::Slot::dst, args.dst.raw()}});
  return true;
}

constexpr Implementation<MatMulArgs> kMatmulImplementations[] = {{"onednn", run_onednn},
                                                                 {"reference", run_reference}};

DType result_dtype(DType a, DType b) {
  if ((a == DType::i8 || a == DType::u8) && b == DType::i8) return DType::i32;
  require(a == b, "matmul: dtypes {} and {} do not fit together", a, b);
  const bool takes =
      is_floating(a) || a == DType::i32 || a == DType::i64 || a == DType::u32 || a == DType::u64;
  if (!takes) fail(ErrorCode::unsupported, "matmul: dtype {} is not supported", a);
  return a;
}

Shape leading_axes(const Shape& shape) {
  return Shape(std::span(shape.begin(), static_cast<std::size_t>(shape.rank() - 2)));
}

Tensor drop_axis(const Tensor& tensor, int axis) {
  Shape shape;
  for (int i = 0; i < tensor.rank(); ++i) {
    if (i != axis) shape.push_back(tensor.shape()[i]);
  }
  return tensor.reshape(shape);
}

}  // namespace

bool has_plain_layout(const Tensor& tensor) {
  const Shape strides = matrix_strides(tensor.strides());
  const std::int64_t rows = tensor.dim(-2);
  const std::int64_t columns = tensor.dim(-1);
  const bool by_row = strides[1] == 1 && strides[0] >= columns;
  const bool by_column = strides[0] == 1 && strides[1] >= rows;
  return by_row || by_column;
}

backend::TensorDesc describe_operand(const Tensor& tensor) {
  backend::TensorDesc desc = backend::describe(tensor);
  for (int axis = 0; axis < desc.shape.rank() - 2; ++axis) {
    if (desc.strides[axis] == 0) desc.shape[axis] = 1;
  }
  const Shape dense = row_major_strides(desc.shape);
  for (int axis = 0; axis < desc.shape.rank(); ++axis) {
    if (desc.shape[axis] == 1) desc.strides[axis] = std::max<std::int64_t>(dense[axis], 1);
  }
  return desc;
}

std::span<const Implementation<MatMulArgs>> matmul_implementations() {
  return kMatmulImplementations;
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  const DType dtype = result_dtype(a.dtype(), b.dtype());
  require(a.rank() > 0 && b.rank() > 0, "matmul: scalar operand: {} and {}", a.shape(), b.shape());
  if (a.rank() == 1) {
    const Tensor product =
        matmul(a.reshape({1, a.numel()}), b.rank() == 1 ? b.reshape({b.numel(), 1}) : b);
    return b.rank() == 1 ? product.reshape({}) : drop_axis(product, product.rank() - 2);
  }
  if (b.rank() == 1) {
    const Tensor product = matmul(a, b.reshape({b.numel(), 1}));
    return drop_axis(product, product.rank() - 1);
  }
  require(a.dim(-1) == b.dim(-2), "matmul: {} and {} do not fit together: {} columns, {} rows",
          a.shape(), b.shape(), a.dim(-1), b.dim(-2));
  const Shape batch = broadcast_shapes(leading_axes(a.shape()), leading_axes(b.shape()));
  const auto with_matrix = [&](std::int64_t rows, std::int64_t columns) {
    Shape shape = batch;
    shape.push_back(rows);
    shape.push_back(columns);
    return shape;
  };
  MatMulArgs args{a.expand(with_matrix(a.dim(-2), a.dim(-1))),
                  b.expand(with_matrix(b.dim(-2), b.dim(-1))),
                  Tensor::empty(with_matrix(a.dim(-2), b.dim(-1)), dtype)};
  if (a.dim(-1) == 0) return Tensor::zeros(args.dst.shape(), dtype);
  run_first(matmul_implementations(), args);
  return args.dst;
}

}  // namespace quern::ops
