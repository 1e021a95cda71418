#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

float epsilon_of(const Node& node) { return node.attributes.get("epsilon", 1e-5f); }

Tensor scalar(double value, DType dtype) { return Tensor::full({}, value, dtype); }

/// Means that training updates: those given, moved towards the batch's.
Tensor moved(const Tensor& given, const Tensor& current, float momentum) {
  const Tensor kept = ops::mul(given, scalar(momentum, given.dtype()));
  const Tensor added = ops::mul(current.cast(given.dtype()), scalar(1.0 - momentum, given.dtype()));
  return ops::add(kept, added);
}

class BatchNormalization final : public Kernel {
 public:
  explicit BatchNormalization(const Node& node)
      : epsilon_(epsilon_of(node)),
        momentum_(node.attributes.get("momentum", 0.9f)),
        training_(node.attributes.get("training_mode", std::int64_t{0}) != 0) {}

  void run(const Inputs& in, Outputs& out) const override {
    const Tensor& x = in[0];
    if (!training_) return out.set(0, ops::batch_norm(x, in[1], in[2], in[3], in[4], epsilon_));
    require(x.rank() >= 2, "BatchNormalization: x {}", to_string(x.shape()));
    std::vector<int> axes{0};
    for (int axis = 2; axis < x.rank(); ++axis) axes.push_back(axis);
    const Tensor mean = ops::mean(x, axes, true);
    const Tensor variance = ops::mean(ops::square(ops::sub(x, mean)), axes);
    const Tensor flat = mean.reshape({x.dim(1)});
    out.set(0, ops::batch_norm(x, in[1], in[2], flat, variance, epsilon_));
    out.set(1, moved(in[3], flat, momentum_));
    out.set(2, moved(in[4], variance, momentum_));
    // Of forms before opset 14: what a gradient would want, the latter as 1 / deviation.
    if (out.size() > 3) out.set(3, flat);
    if (out.size() > 4) out.set(4, one_over_deviation(variance));
  }

 private:
  Tensor one_over_deviation(const Tensor& variance) const {
    const DType dtype = variance.dtype();
    return ops::reciprocal(ops::sqrt(ops::add(variance, scalar(epsilon_, dtype))));
  }

  float epsilon_, momentum_;
  bool training_;
};

KernelPtr batch_normalization(const Node& node, const ImportContext&) {
  return std::make_unique<const BatchNormalization>(node);
}

KernelPtr instance_normalization(const Node& node, const ImportContext&) {
  const float epsilon = epsilon_of(node);
  return make_kernel(
      [epsilon](const Inputs& in) { return ops::instance_norm(in[0], in[1], in[2], epsilon); });
}

/// Values of groups, each repeated for its channels.
Tensor for_channels(const Tensor& groups, std::int64_t channels) {
  require(groups.rank() == 1 && groups.numel() > 0 && channels % groups.numel() == 0,
          "GroupNormalization: {} values for {} channels", to_string(groups.shape()), channels);
  return groups.reshape({groups.numel(), 1})
      .expand({groups.numel(), channels / groups.numel()})
      .reshape({channels});
}

template <bool per_group>
KernelPtr group_normalization(const Node& node, const ImportContext&) {
  const float epsilon = epsilon_of(node);
  const auto groups = node.attributes.get<std::int64_t>("num_groups");
  return make_kernel([=](const Inputs& in) {
    const Tensor& x = in[0];
    require(x.rank() >= 2, "GroupNormalization: x {}", to_string(x.shape()));
    const auto values = [&](std::size_t index) {
      return per_group ? for_channels(in[index], x.dim(1)) : in[index];
    };
    return ops::group_norm(x, groups, values(1), values(2), epsilon);
  });
}

/// The axes from one on, seen as the last of two.
struct Rows {
  int axis;
  std::int64_t count, size;

  Rows(const Tensor& x, std::int64_t first) {
    const std::int64_t axes[] = {first};
    axis = checked_axes(axes, x.rank()).front();
    size = 1;
    for (int i = axis; i < x.rank(); ++i) size *= x.shape()[i];
    count = size == 0 ? 0 : x.numel() / size;
  }
  Shape shape() const { return {count, size}; }
};

/// `values` broadcast to the normalised axes, in a row.
Tensor in_row(const Tensor& values, const Tensor& x, const Rows& rows) {
  const Shape inner(std::span(x.shape().begin() + rows.axis, x.shape().end()));
  return values.expand(inner).reshape({rows.size});
}

class LayerNormalization final : public Kernel {
 public:
  explicit LayerNormalization(const Node& node)
      : axis_(node.attributes.get("axis", std::int64_t{-1})),
        epsilon_(epsilon_of(node)),
        statistics_(node.has_output(1) || node.has_output(2)) {}

  void run(const Inputs& in, Outputs& out) const override {
    const Tensor& x = in[0];
    const Rows rows(x, axis_);
    const Tensor flat = x.reshape(rows.shape());
    std::optional<Tensor> shift;
    if (in.has(2)) shift = in_row(in[2], x, rows);
    out.set(0, ops::layer_norm(flat, in_row(in[1], x, rows), shift, epsilon_).reshape(x.shape()));
    if (statistics_) set_statistics(x, flat, rows, out);
  }

 private:
  void set_statistics(const Tensor& x, const Tensor& flat, const Rows& rows, Outputs& out) const {
    const int last[] = {1};
    const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
    const Tensor wide = flat.cast(dtype);
    const Tensor mean = ops::mean(wide, last, true);
    const Tensor variance = ops::mean(ops::square(ops::sub(wide, mean)), last, true);
    const Tensor deviation = ops::sqrt(ops::add(variance, scalar(epsilon_, dtype)));
    Shape shape = x.shape();
    for (int axis = rows.axis; axis < shape.rank(); ++axis) shape[axis] = 1;
    out.set(1, mean.reshape(shape));
    out.set(2, ops::div(scalar(1, dtype), deviation).reshape(shape));
  }

  std::int64_t axis_;
  float epsilon_;
  bool statistics_;
};

KernelPtr layer_normalization(const Node& node, const ImportContext&) {
  return std::make_unique<const LayerNormalization>(node);
}

KernelPtr rms_normalization(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{-1});
  const float epsilon = epsilon_of(node);
  return make_kernel([=](const Inputs& in) {
    const Rows rows(in[0], axis);
    return ops::rms_norm(in[0].reshape(rows.shape()), in_row(in[1], in[0], rows), epsilon)
        .reshape(in[0].shape());
  });
}

KernelPtr lrn(const Node& node, const ImportContext&) {
  const ops::LrnOptions options{.size = node.attributes.get<std::int64_t>("size"),
                                .alpha = node.attributes.get("alpha", 1e-4f),
                                .beta = node.attributes.get("beta", 0.75f),
                                .bias = node.attributes.get("bias", 1.f)};
  return make_kernel([options](const Inputs& in) { return ops::lrn(in[0], options); });
}

KernelPtr lp_normalization(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{-1});
  const std::int64_t p = node.attributes.get("p", std::int64_t{2});
  if (p != 1 && p != 2) fail(ErrorCode::corrupt_file, "LpNormalization: p is {}, not 1 or 2", p);
  return make_kernel([=](const Inputs& in) {
    const std::int64_t given[] = {axis};
    const std::vector<int> axes = checked_axes(given, in[0].rank());
    const Tensor x = in[0].cast(in[0].dtype() == DType::f64 ? DType::f64 : DType::f32);
    const Tensor norm = p == 1 ? ops::sum(ops::abs(x), axes, true)
                               : ops::sqrt(ops::sum(ops::square(x), axes, true));
    // A line of zeros stays one.
    return ops::div(x, ops::maximum(norm, scalar(1e-30, x.dtype()))).cast(in[0].dtype());
  });
}

KernelPtr mean_variance_normalization(const Node& node, const ImportContext&) {
  std::vector<std::int64_t> axes = node.attributes.ints("axes");
  if (!node.attributes.contains("axes")) axes = {0, 2, 3};
  return make_kernel([axes](const Inputs& in) {
    const Tensor& x = in[0];
    const std::vector<int> over = checked_axes(axes, x.rank());
    const Tensor centered = ops::sub(x, ops::mean(x, over, true));
    const Tensor deviation = ops::sqrt(ops::mean(ops::square(centered), over, true));
    return ops::div(centered, ops::add(deviation, scalar(1e-9, x.dtype())));
  });
}

// clang-format off
constexpr Operator kNormalizationOperators[] = {
    {.op_type = "BatchNormalization", .inputs = {5, 5}, .import = batch_normalization,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_batch_norm},
     .finite = Finite::of_all},
    {.op_type = "GroupNormalization", .since = 18, .inputs = {3, 3},
     .import = group_normalization<true>,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_each_image},
     .finite = Finite::of_all},
    {.op_type = "GroupNormalization", .since = 21, .inputs = {3, 3},
     .import = group_normalization<false>,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_each_image},
     .finite = Finite::of_all},
    {.op_type = "InstanceNormalization", .inputs = {3, 3}, .import = instance_normalization,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_each_image},
     .finite = Finite::of_all},
    {.op_type = "LRN", .inputs = {1, 1}, .import = lrn,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_each_image}},
    {.op_type = "LayerNormalization", .since = 17, .inputs = {2, 3}, .import = layer_normalization,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_from_last_axis},
     .bf16 = {.inputs = 1}, .finite = Finite::of_all},
    {.op_type = "LpNormalization", .inputs = {1, 1}, .import = lp_normalization,
     .mapping = {.shapes = kSame, .rows = follow_along_last_axis}},
    {.op_type = "MeanVarianceNormalization", .import = mean_variance_normalization,
     .mapping = {.shapes = kSame}},
    {.op_type = "MeanVarianceNormalization", .since = 9, .inputs = {1, 1},
     .import = mean_variance_normalization, .mapping = {.shapes = kSame}},
    {.op_type = "RMSNormalization", .since = 23, .inputs = {2, 2}, .import = rms_normalization,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_from_last_axis},
     .finite = Finite::of_all},
};
// clang-format on

}  // namespace

OperatorTable normalization_operators() { return kNormalizationOperators; }

}  // namespace quern::onnx
