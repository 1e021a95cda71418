#include "ops/packed_weight.h"

#include <algorithm>

#include "backend/operation.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "kernels/matvec.h"
#include "ops/weight_rows.h"

namespace quern::ops {
namespace {

using backend::MatMulDesc;
using backend::PostOp;
using backend::Slot;
using backend::TensorDesc;

constexpr std::int64_t kFewRows = 32;  // up to here the stored bytes are read faster than decoded
constexpr std::int64_t kPanelBytes = 1024 * 1024;  // of decoded weight, to stay in the L2 caches

/// One matmul: dst[m, n] (rows `dst_stride` apart) = src[m, k] · weights[n, k]ᵀ.
struct Product {
  std::int64_t m, n, k;
  DType dtype;  ///< of src and weights; dst is f32
  std::int64_t dst_stride;
  bool packs = false;  ///< lays the weights out as the kernel likes them, which pays off in f32
};

void run_product(const Product& product, const void* src, const void* weights, float* dst,
                 const float* bias, const float* residual) {
  const auto& [m, n, k, dtype, dst_stride, packs] = product;
  MatMulDesc desc{.src = {dtype, {m, k}, {k, 1}},
                  .weights = {dtype, {k, n}, {1, k}},
                  .dst = {DType::f32, {m, n}, {dst_stride, 1}},
                  .bias = {},
                  .post_ops = {},
                  .packed_weights = packs};
  std::vector<backend::Argument> arguments{{Slot::src, src}, {Slot::dst, dst}};
  if (bias != nullptr) {
    desc.bias.push_back(backend::dense_desc(DType::f32, {1, n}));
    arguments.push_back({Slot::bias, bias});
  }
  if (residual != nullptr) {
    desc.post_ops.push_back(PostOp::with(backend::Binary::add, desc.dst));
    arguments.push_back({Slot::post_op0, residual});
  }
  const auto operation = backend::try_prepare(desc);
  if (!operation)
    fail(ErrorCode::unsupported, "linear: oneDNN has no {} matmul on this machine", dtype);
  const auto packed = packs ? operation->pack(weights) : nullptr;
  arguments.push_back({Slot::weights, packed ? packed.get() : weights});
  operation->run(arguments);
}

const float* data_of(const std::optional<Tensor>& tensor) {
  return tensor ? tensor->data<float>().data() : nullptr;
}

void add_epilogue(float* dst, std::int64_t m, std::int64_t n, const float* bias,
                  const float* residual) {
  for (std::int64_t row = 0; row < m; ++row, dst += n) {
    if (bias != nullptr) {
      for (std::int64_t i = 0; i < n; ++i) dst[i] += bias[i];
    }
    if (residual != nullptr) {
      for (std::int64_t i = 0; i < n; ++i) dst[i] += residual[row * n + i];
    }
  }
}

/// Multiplies by `weight` decoded to T, a panel of rows at a time.
template <class T>
void multiply_panels(const kernels::WeightRows& weight, const void* src, std::int64_t m, float* dst,
                     const float* bias, const float* residual) {
  const std::int64_t row_bytes = weight.k * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t panel =
      std::min(std::max<std::int64_t>(kPanelBytes / row_bytes / 64 * 64, 64), weight.n);
  const auto memory = allocate_buffer(static_cast<std::size_t>(panel * row_bytes));
  T* decoded = reinterpret_cast<T*>(memory.get());
  for (std::int64_t first = 0; first < weight.n; first += panel) {
    const std::int64_t rows = std::min(panel, weight.n - first);
    parallel_for(rows, 8, [&](std::int64_t begin, std::int64_t end) {
      kernels::decode_rows(weight, first + begin, first + end, decoded + begin * weight.k,
                           weight.k);
    });
    constexpr bool kPacks = std::is_same_v<T, float>;
    run_product({m, rows, weight.k, dtype_of<T>, weight.n, kPacks}, src, decoded, dst + first,
                bias == nullptr ? nullptr : bias + first,
                residual == nullptr ? nullptr : residual + first);
  }
}

std::shared_ptr<std::byte> to_bf16(const float* src, std::int64_t count) {
  auto memory = allocate_buffer(static_cast<std::size_t>(count) * sizeof(BFloat16));
  auto* rounded = reinterpret_cast<BFloat16*>(memory.get());
  parallel_for(count, 16384, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) rounded[i].bits = BFloat16::round(src[i]);
  });
  return memory;
}

}  // namespace

kernels::WeightRows weight_rows(const Weight& weight) {
  require(weight.shape().rank() == 2, "weight: expected [out, in], got {}", weight.shape());
  const DType dtype = weight.encoding() == Encoding::dense ? weight.tensor().dtype() : DType::f32;
  return {weight.encoding(), dtype, weight.bytes().data(), weight.shape()[0], weight.shape()[1]};
}

PackedWeight::PackedWeight(Weight weight, Accuracy accuracy)
    : weight_(std::move(weight)), accuracy_(accuracy) {
  require(weight_.shape().rank() == 2 && weight_.shape().numel() > 0,
          "linear: expected a weight [out, in], got {}", weight_.shape());
  const DType dtype = weight_rows(weight_).dtype;
  // The kernels read f32, f16 and bf16; any other dense weight is converted once.
  if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16)
    weight_ = weight_.tensor(DType::f32);
}

void PackedWeight::multiply(const float* src, std::int64_t m, float* dst,
                            const LinearOptions& options) const {
  if (m == 0) return;
  m <= kFewRows || multiplies_stored() ? multiply_few(src, m, dst, options)
                                       : multiply_many(src, m, dst, options);
}

/// Whether the stored blocks are faster for many rows too: than bf16 in vectors they are, and than
/// bf16 on matrix units not.
bool PackedWeight::multiplies_stored() const {
  return accuracy_ == Accuracy::fast && weight_.encoding() != Encoding::dense &&
         !backend::has_matrix_units() && kernels::takes_many_rows(weight_.encoding());
}

void PackedWeight::multiply_few(const float* src, std::int64_t m, float* dst,
                                const LinearOptions& options) const {
  const std::int64_t n = out_features();
  kernels::multiply_rows(weight_rows(weight_), src, m, in_features(), dst, n, accuracy_);
  add_epilogue(dst, m, n, data_of(options.bias), data_of(options.residual));
}

void PackedWeight::multiply_many(const float* src, std::int64_t m, float* dst,
                                 const LinearOptions& options) const {
  const kernels::WeightRows rows = weight_rows(weight_);
  const float* bias = data_of(options.bias);
  const float* residual = data_of(options.residual);
  const bool dense = weight_.encoding() == Encoding::dense;
  if (dense && rows.dtype == DType::f32) {
    return run_product({m, rows.n, rows.k, DType::f32, rows.n}, src, rows.data, dst, bias,
                       residual);
  }
  if (accuracy_ == Accuracy::exact || !backend::has_fast_bf16()) {
    return multiply_panels<float>(rows, src, m, dst, bias, residual);
  }
  const auto rounded = to_bf16(src, m * rows.k);
  if (dense && rows.dtype == DType::bf16) {
    return run_product({m, rows.n, rows.k, DType::bf16, rows.n}, rounded.get(), rows.data, dst,
                       bias, residual);
  }
  multiply_panels<BFloat16>(rows, rounded.get(), m, dst, bias, residual);
}

Tensor linear(const Tensor& x, const PackedWeight& weight, const LinearOptions& options) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "linear: expected a floating dtype, got {}", x.dtype());
  require(x.rank() > 0 && x.dim(-1) == weight.in_features(), "linear: expected [..., {}], got {}",
          weight.in_features(), x.shape());
  Shape shape = x.shape();
  shape[x.rank() - 1] = weight.out_features();
  if (options.bias) {
    require(options.bias->shape() == Shape{weight.out_features()} &&
                options.bias->dtype() == DType::f32,
            "linear: bias is {} {}, expected f32 [{}]", options.bias->dtype(),
            options.bias->shape(), weight.out_features());
  }
  if (options.residual) {
    require(options.residual->shape() == shape && options.residual->dtype() == DType::f32 &&
                options.residual->is_contiguous(),
            "linear: residual is {} {}, expected f32 {}", options.residual->dtype(),
            options.residual->shape(), shape);
  }
  const Tensor src = x.cast(DType::f32).contiguous();
  Tensor dst = Tensor::empty(shape);
  weight.multiply(src.data<float>().data(), x.numel() / weight.in_features(),
                  dst.mutable_data<float>().data(), options);
  return dst.cast(x.dtype());
}

}  // namespace quern::ops
