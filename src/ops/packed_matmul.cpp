#include "ops/packed_matmul.h"

#include <algorithm>
#include <utility>

#include "backend/packed_product.h"
#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "core/runtime.h"
#include "kernels/row_product.h"
#include "ops/prepared_cache.h"
#include "ops/run_steps.h"
#include "ops/step_post_op.h"
#include "ops/step_tail.h"
#include "quern/ops.h"

namespace quern::ops {

/// What a source and the operands decide of an operation.
struct MatMulSignature {
  std::int64_t rows;
  DType dtype;
  std::vector<bool> full_operands;  ///< of the result's shape, else [out]
  bool operator==(const MatMulSignature&) const = default;
};

namespace {

using backend::PostOp;
using backend::Slot;

}  // namespace

struct PackedMatMul::Impl {
  MatMulSpec spec;  // its weight is here:
  std::shared_ptr<ConstantWeight> weight;
  mutable PreparedCache<MatMulSignature> prepared;

  /// The tail of the steps, where what is added has the result's shape.
  std::optional<StepTail> tail_of(const MatMulSignature& wanted) const;
  backend::MatMulDesc describe(const MatMulSignature& wanted) const;

  /// Whether the result has so few rows that reading the weight is what takes time.
  bool suits_rows(const Tensor& dst) const;
  void run_rows(const Tensor& x, std::span<const Tensor> operands, Tensor& dst) const;
};

bool PackedMatMul::Impl::suits_rows(const Tensor& dst) const {
  constexpr std::int64_t kRows = 4;
  return dst.dtype() == DType::f32 && weight->dtype() == DType::f32 &&
         dst.numel() / weight->shape()[1] <= kRows;
}

namespace {

constexpr std::int64_t kProductsEach = 65536;  // worth a thread's while

/// Whether threads can share so many panels about evenly.
bool share_evenly(std::int64_t panels, std::int64_t threads) {
  constexpr std::int64_t kMany = 8;
  return panels % threads == 0 || panels >= kMany * threads;
}

/// Adds the product to dst, threads sharing its columns.
void add_by_columns(const kernels::RowProduct& product) {
  parallel_for(
      product.weight.count(), kProductsEach / (product.weight.k * kernels::kPanel) + 1,
      [&](std::int64_t begin, std::int64_t end) { kernels::add_row_product(product, begin, end); });
}

/// The same where there are few panels: each thread takes some terms of all sums, and what they
/// give is summed.
void add_by_terms(const kernels::RowProduct& product, std::int64_t parts) {
  const auto& [data, k, n] = product.weight;
  Tensor sums = Tensor::zeros({parts, product.m, n});
  float* all = sums.mutable_data<float>().data();
  parallel_for(parts, 1, [&, k = k, n = n](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      kernels::RowProduct own = product;
      own.dst = all + part * product.m * n;
      own.dst_stride = n;
      kernels::add_row_product(own, 0, product.weight.count(), k * part / parts,
                               k * (part + 1) / parts);
    }
  });
  for (std::int64_t part = 0; part < parts; ++part) {
    for (std::int64_t i = 0; i < product.m * n; ++i)
      product.dst[i] += all[part * product.m * n + i];
  }
}

}  // namespace

void PackedMatMul::Impl::run_rows(const Tensor& x, std::span<const Tensor> operands,
                                  Tensor& dst) const {
  const Tensor panels = weight->panels();
  const std::int64_t in = weight->shape()[0];
  const std::int64_t out = weight->shape()[1];
  const std::int64_t rows = dst.numel() / out;
  float* result = static_cast<float*>(dst.mutable_raw());
  for (std::int64_t row = 0; row < rows; ++row) {
    if (spec.bias)
      std::copy_n(spec.bias->data<float>().data(), out, result + row * out);
    else
      std::fill_n(result + row * out, out, 0.f);
  }
  const kernels::RowProduct product{.src = x.data<float>().data(),
                                    .weight = {panels.data<float>().data(), in, out},
                                    .dst = result,
                                    .m = rows,
                                    .src_stride = in,
                                    .dst_stride = out};
  const std::int64_t threads =
      std::clamp<std::int64_t>(in * out / kProductsEach, 1, thread_count());
  share_evenly(product.weight.count(), threads) ? add_by_columns(product)
                                                : add_by_terms(product, threads);
  run_steps(spec.steps, operands, dst);
}

std::optional<StepTail> PackedMatMul::Impl::tail_of(const MatMulSignature& wanted) const {
  const auto tail = step_tail(spec.steps);
  return tail && tail->adds && !wanted.full_operands.back() ? std::nullopt : tail;
}

backend::MatMulDesc PackedMatMul::Impl::describe(const MatMulSignature& wanted) const {
  const std::int64_t in = weight->shape()[0];
  const std::int64_t out = weight->shape()[1];
  backend::MatMulDesc desc{.src = backend::dense_desc(wanted.dtype, {wanted.rows, in}),
                           .weights = backend::dense_desc(wanted.dtype, {in, out}),
                           .dst = backend::dense_desc(wanted.dtype, {wanted.rows, out}),
                           .bias = {},
                           .post_ops = {},
                           .packed_weights = true};
  if (spec.bias) desc.bias.push_back(backend::dense_desc(DType::f32, {1, out}));
  const auto tail = tail_of(wanted);
  std::size_t used = 0;
  for (const Step& given : std::span(spec.steps).first(tail ? tail->begin : spec.steps.size())) {
    PostOp& step = desc.post_ops.emplace_back(to_post_op(given));
    if (!given.has_operand()) continue;
    const bool full = wanted.full_operands[used++];
    step.operand = backend::dense_desc(wanted.dtype, {full ? wanted.rows : 1, out});
  }
  return desc;
}

PackedMatMul::PackedMatMul(MatMulSpec spec) {
  require(spec.weight.rank() == 2 && spec.weight.numel() > 0,
          "matmul: weight {}, expected [in, out]", spec.weight.shape());
  const std::int64_t out = spec.weight.dim(1);
  require(!spec.bias || spec.bias->shape() == Shape{out}, "matmul: bias {}, expected [{}]",
          spec.bias ? spec.bias->shape() : Shape{}, out);
  if (spec.bias) spec.bias = spec.bias->cast(DType::f32).contiguous();
  auto impl = std::make_shared<Impl>();
  impl->weight = std::make_shared<ConstantWeight>(std::exchange(spec.weight, {}));
  impl->spec = std::move(spec);
  impl_ = std::move(impl);
}

PackedMatMul PackedMatMul::without_steps() const {
  auto impl = std::make_shared<Impl>();
  impl->spec = impl_->spec;
  impl->spec.steps.clear();
  impl->weight = impl_->weight;
  return PackedMatMul(std::shared_ptr<const Impl>(std::move(impl)));
}

std::int64_t PackedMatMul::in_features() const noexcept { return impl_->weight->shape()[0]; }
std::int64_t PackedMatMul::out_features() const noexcept { return impl_->weight->shape()[1]; }

bool PackedMatMul::takes(const Tensor& x, const Tensor& operand) const {
  if (operand.dtype() != x.dtype()) return false;
  if (operand.shape() == Shape{out_features()}) return true;
  Shape result = x.shape();
  if (result.rank() == 0) return false;
  result[result.rank() - 1] = out_features();
  return operand.shape() == result;
}

Tensor PackedMatMul::operator()(const Tensor& x, std::span<const Tensor> operands) const {
  require(x.rank() > 0 && x.dim(-1) == in_features(), "matmul: {} and {} do not fit together",
          x.shape(), impl_->weight->shape());
  if (x.dtype() != DType::f32 && x.dtype() != DType::bf16)
    fail(ErrorCode::unsupported, "matmul: expected f32 or bf16, got {}", x.dtype());
  require(static_cast<std::ptrdiff_t>(operands.size()) ==
              std::ranges::count_if(impl_->spec.steps, &Step::has_operand),
          "matmul: {} operands for the steps after it", operands.size());
  Shape shape = x.shape();
  shape[shape.rank() - 1] = out_features();
  Tensor dst = Tensor::empty(shape, x.dtype());
  if (dst.numel() == 0) return dst;
  for (const Tensor& operand : operands)
    require(takes(x, operand), "matmul: operand {} {} does not fit the result {} {}",
            operand.dtype(), operand.shape(), x.dtype(), shape);
  if (impl_->suits_rows(dst)) {
    impl_->run_rows(x.contiguous(), operands, dst);
    return dst;
  }

  MatMulSignature wanted{dst.numel() / out_features(), x.dtype(), {}};
  std::vector<Tensor> dense{x.contiguous()};
  std::vector<backend::Argument> arguments{{Slot::src, dense[0].raw()}, {Slot::dst, dst.raw()}};
  if (impl_->spec.bias) arguments.push_back({Slot::bias, impl_->spec.bias->raw()});
  for (const Tensor& operand : operands) {
    wanted.full_operands.push_back(operand.rank() != 1 || shape.rank() == 1);
  }
  const auto tail = impl_->tail_of(wanted);
  std::optional<Tensor> addend;
  if (tail && tail->adds) {
    addend = operands.back().contiguous();
    operands = operands.first(operands.size() - 1);
  }
  for (const Tensor& operand : operands) {
    dense.push_back(operand.contiguous());
    const auto slot = static_cast<int>(Slot::post_op0) + static_cast<int>(dense.size()) - 2;
    arguments.push_back({static_cast<Slot>(slot), dense.back().raw()});
  }
  const Prepared prepared = impl_->prepared.find_or_prepare(wanted, *impl_->weight, x.dtype(), [&] {
    return backend::try_prepare_packed(impl_->describe(wanted));
  });
  if (!prepared.operation)
    fail(ErrorCode::unsupported, "matmul: no kernel for {} · {} in {}", x.shape(),
         impl_->weight->shape(), x.dtype());
  arguments.push_back({Slot::weights, prepared.weights.get()});
  prepared.operation->run(arguments);
  if (tail) tail->run(dst, addend);
  return dst;
}

bool has_fast_bf16() { return backend::has_fast_bf16(); }

}  // namespace quern::ops
