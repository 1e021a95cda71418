#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/activation.h"
#include "quern/dtype.h"
#include "quern/shape.h"
#include "quern/tensor.h"

namespace quern::backend {

/// What a prepared operation must know of a tensor; strides in elements.
struct TensorDesc {
  DType dtype = DType::f32;
  Shape shape;
  Shape strides;
  bool operator==(const TensorDesc&) const = default;
};

TensorDesc describe(const Tensor& tensor);
/// Of a row-major tensor without gaps.
TensorDesc dense_desc(DType dtype, const Shape& shape);
/// Of a tensor [batch, channels, ...] whose channels of one place lie together, without gaps.
TensorDesc channels_last_desc(DType dtype, const Shape& shape);

using Eltwise = ActivationFunction::Kind;
using quern::Binary;

enum class Reduction { sum, mean, max, min, mul };

/// One step applied to a result before it is stored: an eltwise function, a binary operation
/// with another tensor that broadcasts to the result (a residual, a scale per channel), or the sum
/// with what lies where the result goes.
struct PostOp {
  enum class Kind { eltwise, binary, sum } kind = Kind::eltwise;
  Eltwise eltwise = Eltwise::relu;
  float alpha = 0.f;
  float beta = 0.f;
  Binary binary = Binary::add;
  TensorDesc operand{};

  static PostOp apply(Eltwise function, float alpha = 0.f, float beta = 0.f) {
    return {.kind = Kind::eltwise, .eltwise = function, .alpha = alpha, .beta = beta};
  }
  static PostOp with(Binary operation, TensorDesc operand) {
    return {.kind = Kind::binary, .binary = operation, .operand = operand};
  }
  static PostOp sum() { return {.kind = Kind::sum}; }
  bool operator==(const PostOp&) const = default;
};

/// dst = post_ops(src [..., m, k] · weights [..., k, n] + bias [n]); leading axes broadcast.
/// s8/u8 sources with s8 weights give s32, f32, bf16, s8 or u8: see has_exact_bytes().
struct MatMulDesc {
  TensorDesc src, weights, dst;
  std::vector<TensorDesc> bias;  ///< none or one, of dst's rank
  std::vector<PostOp> post_ops;
  /// Whether `run` takes weights that `pack` laid out as the kernel likes them.
  bool packed_weights = false;
  bool operator==(const MatMulDesc&) const = default;
};

/// How a window moves over the 1 to 3 spatial axes of [batch, channels, ...]: a value an axis.
struct Window {
  Shape strides;
  Shape dilations;  ///< 1: the elements of a window touch
  Shape pads_begin;
  Shape pads_end;
  bool operator==(const Window&) const = default;
};

/// dst = post_ops(the convolution of src [batch, in, ...] with weights [out, in / groups, ...] +
/// bias [out]); transposed, weights are [in, out / groups, ...]. `run` takes weights from `pack`.
/// s8/u8 sources with s8 weights give s32, f32, bf16, s8 or u8: see has_exact_bytes().
struct ConvDesc {
  TensorDesc src, weights, dst;
  std::vector<TensorDesc> bias;  ///< none or one, f32 [out]
  Window window;
  std::int64_t groups = 1;
  bool transposed = false;
  /// By the algorithm of Winograd (Lavin and Gray, 2015): few kernels, 3x3, of images with their
  /// channels last, in multiples of 16. It wants blocks of channels, which each slice moves into.
  bool winograd = false;
  bool src_zero_point = false;  ///< whether Slot::src_zero_point, one s32, is subtracted from src
  /// What each channel of the result is multiplied by before the post-ops: none or `out`, where
  /// scales_results(). Operations with scales are not cached: their owner keeps them.
  std::vector<float> scales{};
  std::vector<PostOp> post_ops;
  bool operator==(const ConvDesc&) const = default;
};

enum class Pooling { max, average_of_elements, average_with_pads };

/// The largest element or the average of each window of src [batch, channels, ...].
struct PoolDesc {
  TensorDesc src, dst;
  Pooling operation = Pooling::max;
  Shape kernel;
  Window window;
  bool operator==(const PoolDesc&) const = default;
};

/// Over `axis`; dst has src's shape.
struct SoftmaxDesc {
  TensorDesc src, dst;
  int axis = -1;
  bool logarithm = false;
  bool operator==(const SoftmaxDesc&) const = default;
};

/// Over the last axis, with `scale` and `shift` of its size in f32.
struct LayerNormDesc {
  TensorDesc src, dst;
  float epsilon = 1e-5f;
  bool has_scale = false;
  bool has_shift = false;
  bool operator==(const LayerNormDesc&) const = default;
};

struct EltwiseDesc {
  TensorDesc src, dst;
  Eltwise function = Eltwise::relu;
  float alpha = 0.f;
  float beta = 0.f;
  bool operator==(const EltwiseDesc&) const = default;
};

/// dst = post_ops(src op src1), src1 broadcasting to src.
struct BinaryDesc {
  TensorDesc src, src1, dst;
  Binary operation = Binary::add;
  std::vector<PostOp> post_ops;
  bool operator==(const BinaryDesc&) const = default;
};

/// Reduces the axes along which dst has size 1.
struct ReductionDesc {
  TensorDesc src, dst;
  Reduction operation = Reduction::sum;
  bool operator==(const ReductionDesc&) const = default;
};

/// Copies between dtypes and layouts.
struct ReorderDesc {
  TensorDesc src, dst;
  bool operator==(const ReorderDesc&) const = default;
};

/// Which argument of an operation a pointer is for; post-op operands count binary post-ops only.
enum class Slot {
  src,
  src1,
  weights,
  bias,
  scale,
  shift,
  src_zero_point,
  dst,
  post_op0,
  post_op1,
  post_op2,
  post_op3
};

struct Argument {
  Slot slot;
  const void* data;  ///< written through only for Slot::dst
};

/// An operation prepared for one description: oneDNN has chosen and compiled its kernel.
///
/// Large ones are divided into slices, for which oneDNN has been prepared on one thread each, and
/// which the threads of parallel_slices run. Immutable; `run` may be called from several threads.
class Operation {
 public:
  /// Every slot of the description must be given.
  void run(std::span<const Argument> arguments) const;
  void run(std::initializer_list<Argument> arguments) const {
    run(std::span(arguments.begin(), arguments.size()));
  }
  /// The weights, which lie as the description says, laid out for `run`. Throws: `out_of_memory`.
  std::shared_ptr<const std::byte> pack(const void* weights) const;
  /// Whether `unpack` gives back what `pack` was given.
  bool can_unpack() const;
  /// Undoes `pack`. Throws: `out_of_memory`.
  void unpack(const std::byte* packed, void* weights) const;
  /// Whether what `pack` gave for `other` is what it would give for this operation.
  bool packs_as(const Operation& other) const;
  /// Name of the kernel that oneDNN chose, "brg:avx512_core_bf16".
  std::string kernel() const;

  struct Impl;
  explicit Operation(std::unique_ptr<const Impl> impl);
  ~Operation();

 private:
  std::unique_ptr<const Impl> impl_;
};

using OperationPtr = std::shared_ptr<const Operation>;

/// The prepared operation of a description, from a bounded cache of the last used ones, or null
/// where oneDNN has no kernel for it (remembered too). Thread-safe.
OperationPtr try_prepare(const MatMulDesc& desc);
OperationPtr try_prepare(const ConvDesc& desc);
OperationPtr try_prepare(const PoolDesc& desc);
OperationPtr try_prepare(const SoftmaxDesc& desc);
OperationPtr try_prepare(const LayerNormDesc& desc);
OperationPtr try_prepare(const EltwiseDesc& desc);
OperationPtr try_prepare(const BinaryDesc& desc);
OperationPtr try_prepare(const ReductionDesc& desc);
OperationPtr try_prepare(const ReorderDesc& desc);

/// Whether matmul in bf16 is faster than in f32 on this machine (AVX512-BF16 or AMX, within the ISA
/// cap).
bool has_fast_bf16();

/// Whether that runs on matrix units (AMX), within the ISA cap.
bool has_matrix_units();

/// Whether matmul of bytes is exact on this machine, within the ISA cap. Without VNNI the sum of
/// two products saturates at 16 bits, so one factor must stay within 7.
bool has_exact_bytes();

/// Whether ConvDesc may have scales, which cost less than a binary post-op; oneDNN 3 adds the bias
/// after its scales.
bool scales_results();

}  // namespace quern::backend
