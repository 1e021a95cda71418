#include "ops/eltwise.h"

#include "core/visit.h"
#include "kernels/activation.h"
#include "ops/activate.h"
#include "ops/elements.h"
#include "ops/nan.h"
#include "quern/ops/activation.h"

namespace quern::ops {
namespace {

using backend::Eltwise;

bool run_reference(const EltwiseArgs& args) {
  const Tensor src = args.src.contiguous();
  Tensor dst = args.dst;
  visit_floating("eltwise", src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = src.data<T>().data();
    T* to = dst.mutable_data<T>().data();
    const ActivationFunction activation{args.function, args.alpha, args.beta};
    const auto function = [&](auto x) { return evaluate<Compute<T>>(activation, x); };
    parallel_for(src.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      map_run(from + begin, to + begin, end - begin, function);
    });
  });
  return true;
}

bool run_kernel(const EltwiseArgs& args) {
  if (!kernels::is_fast_at(args.function) || args.src.dtype() != DType::f32 ||
      !args.src.is_contiguous())
    return false;
  Tensor dst = args.dst;
  kernels::activate(args.function, args.src.data<float>().data(), nullptr, args.src.numel(),
                    dst.mutable_data<float>().data());
  return true;
}

bool run_onednn(const EltwiseArgs& args) {
  const DType dtype = args.src.dtype();
  if (dtype != DType::f32 && dtype != DType::bf16) return false;
  // oneDNN 2's logarithms are off by 3e-6 near 1, and its softplus turns negative.
  if (args.function == Eltwise::log || args.function == Eltwise::softplus) return false;
  if (!args.src.is_contiguous() || args.src.numel() == 0 || contains_nan(args.src)) return false;
  const backend::TensorDesc flat = backend::dense_desc(dtype, {args.src.numel()});
  const auto operation =
      backend::try_prepare(backend::EltwiseDesc{flat, flat, args.function, args.alpha, args.beta});
  if (!operation) return false;
  operation->run({{backend::Slot::src, args.src.raw()}, {backend::Slot::dst, args.dst.raw()}});
  return true;
}

constexpr Implementation<EltwiseArgs> kEltwiseImplementations[] = {
    {"kernel", run_kernel}, {"onednn", run_onednn}, {"reference", run_reference}};

}  // namespace

std::span<const Implementation<EltwiseArgs>> eltwise_implementations() {
  return kEltwiseImplementations;
}

Tensor eltwise(Eltwise function, const Tensor& x, float alpha, float beta) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "eltwise: expected a floating dtype, got {}", x.dtype());
  EltwiseArgs args{function, x, Tensor::empty(x.shape(), x.dtype()), alpha, beta};
  run_first(eltwise_implementations(), args);
  return args.dst;
}

Tensor activate(const ActivationFunction& function, const Tensor& x) {
  if (function == ActivationFunction{Eltwise::relu}) return relu(x);
  return eltwise(function.kind, x, function.alpha, function.beta);
}

}  // namespace quern::ops
