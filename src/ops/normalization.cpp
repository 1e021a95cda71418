#include "ops/normalization.h"

#include <algorithm>
#include <cmath>

#include "backend/operation.h"
#include "core/visit.h"
#include "kernels/rows.h"
#include "ops/nan.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

bool softmax_reference(const SoftmaxArgs& args) {
  const std::int64_t size = args.src.shape()[args.axis];
  std::int64_t inner = 1;  // not the stride, which an axis of size 1 may have as 0
  for (int axis = args.axis + 1; axis < args.src.rank(); ++axis) inner *= args.src.dim(axis);
  const std::int64_t lines = args.src.numel() / size;
  visit_floating("softmax", args.src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Wide = Compute<T>;
    const T* src = args.src.data<T>().data();
    Tensor result = args.dst;
    T* dst = result.mutable_data<T>().data();
    for (std::int64_t line = 0; line < lines; ++line) {
      const std::int64_t start = line / inner * inner * size + line % inner;
      const auto value = [&](std::int64_t i) { return static_cast<Wide>(src[start + i * inner]); };
      Wide largest = value(0);
      for (std::int64_t i = 1; i < size; ++i) largest = std::max(largest, value(i));
      double total = 0;
      for (std::int64_t i = 0; i < size; ++i)
        total += std::exp(static_cast<double>(value(i) - largest));
      for (std::int64_t i = 0; i < size; ++i) {
        const double shifted = static_cast<double>(value(i) - largest);
        const double result_value =
            args.logarithm ? shifted - std::log(total) : std::exp(shifted) / total;
        dst[start + i * inner] = static_cast<T>(static_cast<Wide>(result_value));
      }
    }
  });
  return true;
}

bool softmax_onednn(const SoftmaxArgs& args) {
  if (args.src.dtype() != DType::f32 && args.src.dtype() != DType::bf16) return false;
  // oneDNN 2's logarithm is off by 1e-6 at 1, which makes probabilities above 1.
  if (args.logarithm || contains_nan(args.src)) return false;
  const auto operation = backend::try_prepare(backend::SoftmaxDesc{
      backend::describe(args.src), backend::describe(args.dst), args.axis, args.logarithm});
  if (!operation) return false;
  operation->run({{backend::Slot::src, args.src.raw()}, {backend::Slot::dst, args.dst.raw()}});
  return true;
}

bool softmax_rows(const SoftmaxArgs& args) {
  if (args.src.dtype() != DType::f32 || args.axis != args.src.rank() - 1) return false;
  const std::int64_t size = args.src.dim(-1);
  Tensor dst = args.dst;
  kernels::softmax(args.src.data<float>().data(), args.src.numel() / size, size, args.logarithm,
                   dst.mutable_data<float>().data());
  return true;
}

constexpr Implementation<SoftmaxArgs> kSoftmax[] = {
    {"kernel", softmax_rows}, {"onednn", softmax_onednn}, {"reference", softmax_reference}};

Tensor softmax_any(const Tensor& x, int axis, bool logarithm) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "softmax: expected a floating dtype, got {}", x.dtype());
  require(axis >= -x.rank() && axis < x.rank(), "softmax: axis {} is out of range for shape {}",
          axis, x.shape());
  SoftmaxArgs args{x.contiguous(), Tensor::empty(x.shape(), x.dtype()),
                   axis < 0 ? axis + x.rank() : axis, logarithm};
  if (x.numel() > 0) run_first(softmax_implementations(), args);
  return args.dst;
}

bool layer_norm_reference(const LayerNormArgs& args) {
  const std::int64_t size = args.src.dim(-1);
  visit_floating("layer_norm", args.src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    Tensor result = args.dst;
    const T* src = args.src.data<T>().data();
    T* dst = result.mutable_data<T>().data();
    for (std::int64_t row = 0; row < args.src.numel() / size; ++row, src += size, dst += size) {
      double mean = 0;
      double variance = 0;
      for (std::int64_t i = 0; i < size; ++i) mean += static_cast<double>(src[i]);
      mean /= static_cast<double>(size);
      for (std::int64_t i = 0; i < size; ++i)
        variance += std::pow(static_cast<double>(src[i]) - mean, 2);
      const double factor = 1 / std::sqrt(variance / static_cast<double>(size) + args.epsilon);
      for (std::int64_t i = 0; i < size; ++i) {
        const auto at = static_cast<std::size_t>(i);
        double value = (static_cast<double>(src[i]) - mean) * factor;
        if (args.scale) value *= args.scale->data<float>()[at];
        if (args.shift) value += args.shift->data<float>()[at];
        dst[i] = static_cast<T>(static_cast<Compute<T>>(value));
      }
    }
  });
  return true;
}

bool layer_norm_onednn(const LayerNormArgs& args) {
  if (args.src.dtype() != DType::f32 && args.src.dtype() != DType::bf16) return false;
  const Shape rows{args.src.numel() / args.src.dim(-1), args.src.dim(-1)};
  const backend::TensorDesc desc = backend::dense_desc(args.src.dtype(), rows);
  const auto operation = backend::try_prepare(backend::LayerNormDesc{
      desc, desc, args.epsilon, args.scale.has_value(), args.shift.has_value()});
  if (!operation) return false;
  std::vector<backend::Argument> arguments{{backend::Slot::src, args.src.raw()},
                                           {backend::Slot::dst, args.dst.raw()}};
  if (args.scale) arguments.push_back({backend::Slot::scale, args.scale->raw()});
  if (args.shift) arguments.push_back({backend::Slot::shift, args.shift->raw()});
  operation->run(arguments);
  return true;
}

bool layer_norm_rows(const LayerNormArgs& args) {
  if (args.src.dtype() != DType::f32) return false;
  const std::int64_t size = args.src.dim(-1);
  const auto floats = [](const std::optional<Tensor>& values) {
    return values ? values->data<float>().data() : nullptr;
  };
  Tensor dst = args.dst;
  kernels::layer_norm(args.src.data<float>().data(), args.src.numel() / size, size,
                      floats(args.scale), floats(args.shift), args.epsilon,
                      dst.mutable_data<float>().data());
  return true;
}

constexpr Implementation<LayerNormArgs> kLayerNorm[] = {{"kernel", layer_norm_rows},
                                                        {"onednn", layer_norm_onednn},
                                                        {"reference", layer_norm_reference}};

void check_rows(const char* name, const Tensor& x) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "{}: expected a floating dtype, got {}", name, x.dtype());
  require(x.rank() > 0, "{}: expected one axis or more, got a scalar", name);
}

Tensor channels(const char* name, const char* what, const Tensor& values, const Tensor& x) {
  require(values.shape() == Shape{x.dim(-1)}, "{}: {} has shape {}, expected [{}]", name, what,
          values.shape(), x.dim(-1));
  require(is_floating(values.dtype()), "{}: {} has dtype {}", name, what, values.dtype());
  return values.cast(DType::f32).contiguous();
}

}  // namespace

std::span<const Implementation<SoftmaxArgs>> softmax_implementations() { return kSoftmax; }
std::span<const Implementation<LayerNormArgs>> layer_norm_implementations() { return kLayerNorm; }

Tensor softmax(const Tensor& x, int axis) { return softmax_any(x, axis, false); }
Tensor log_softmax(const Tensor& x, int axis) { return softmax_any(x, axis, true); }

Tensor layer_norm(const Tensor& x, const std::optional<Tensor>& scale,
                  const std::optional<Tensor>& shift, float epsilon) {
  check_rows("layer_norm", x);
  LayerNormArgs args{x.contiguous(), Tensor::empty(x.shape(), x.dtype()), {}, {}, epsilon};
  if (scale) args.scale = channels("layer_norm", "scale", *scale, x);
  if (shift) args.shift = channels("layer_norm", "shift", *shift, x);
  if (x.numel() > 0) run_first(layer_norm_implementations(), args);
  return args.dst;
}

Tensor rms_norm(const Tensor& x, const Tensor& scale, float epsilon) {
  check_rows("rms_norm", x);
  const Tensor factors = channels("rms_norm", "scale", scale, x);
  const std::int64_t size = x.dim(-1);
  if (x.numel() == 0) return Tensor::empty(x.shape(), x.dtype());
  if (x.dtype() != DType::f64) {
    const Tensor src = x.cast(DType::f32).contiguous();
    Tensor dst = Tensor::empty(x.shape());
    kernels::rms_norm(src.data<float>().data(), x.numel() / size, size,
                      factors.data<float>().data(), epsilon, dst.mutable_data<float>().data());
    return dst.cast(x.dtype());
  }
  const int last[] = {-1};
  const Tensor mean_square = mean(square(x), last, true);
  const Tensor root = sqrt(add(mean_square, Tensor::full({}, epsilon, DType::f64)));
  return mul(div(x, root), factors.cast(DType::f64));
}

}  // namespace quern::ops
