#include <cmath>

#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

/// Attribute `seed`, a float; whole numbers are taken as they are.
ops::Seed float_seed(const Node& node) {
  const auto seed = node.attributes.find<float>("seed");
  if (!seed || !std::isfinite(*seed)) return {};
  return static_cast<std::uint32_t>(static_cast<std::int64_t>(std::fmod(*seed, 4294967296.f)));
}

DType dtype_or(const Node& node, DType fallback) {
  const auto code = node.attributes.find<std::int64_t>("dtype");
  return code ? dtype_of_code(*code) : fallback;
}

/// Numbers of a distribution with two parameters.
struct Distribution {
  Tensor (*draw)(const Shape&, double, double, ops::Seed, DType);
  const char* first;
  float first_preset;
  const char* second;
  float second_preset;
};

constexpr Distribution kNormal{ops::random_normal, "mean", 0.f, "scale", 1.f};
constexpr Distribution kUniform{ops::random_uniform, "low", 0.f, "high", 1.f};

template <const Distribution& of>
KernelPtr random(const Node& node, const ImportContext&) {
  const float first = node.attributes.get(of.first, of.first_preset);
  const float second = node.attributes.get(of.second, of.second_preset);
  const ops::Seed seed = float_seed(node);
  const DType dtype = dtype_or(node, DType::f32);
  const Shape shape(node.attributes.get<std::vector<std::int64_t>>("shape"));
  return make_kernel([=](const Inputs&) { return of.draw(shape, first, second, seed, dtype); });
}

template <const Distribution& of>
KernelPtr random_like(const Node& node, const ImportContext&) {
  const float first = node.attributes.get(of.first, of.first_preset);
  const float second = node.attributes.get(of.second, of.second_preset);
  const ops::Seed seed = float_seed(node);
  const bool names_dtype = node.attributes.contains("dtype");
  const DType dtype = dtype_or(node, DType::f32);
  return make_kernel([=](const Inputs& in) {
    return of.draw(in[0].shape(), first, second, seed, names_dtype ? dtype : in[0].dtype());
  });
}

KernelPtr bernoulli(const Node& node, const ImportContext&) {
  const ops::Seed seed = float_seed(node);
  const bool names_dtype = node.attributes.contains("dtype");
  const DType dtype = dtype_or(node, DType::f32);
  return make_kernel([=](const Inputs& in) {
    return ops::bernoulli(in[0], names_dtype ? dtype : in[0].dtype(), seed);
  });
}

KernelPtr multinomial(const Node& node, const ImportContext&) {
  const std::int64_t count = node.attributes.get("sample_size", std::int64_t{1});
  const ops::Seed seed = float_seed(node);
  const DType dtype = dtype_or(node, DType::i32);
  return make_kernel([=](const Inputs& in) { return ops::multinomial(in[0], count, seed, dtype); });
}

std::vector<Tensor> keep_all(const Tensor& x) {
  return {x, Tensor::full(x.shape(), 1, DType::boolean)};
}

/// Before opset 12 there is no training here. The mask, of x's dtype before opset 10, says what was
/// dropped: nothing.
KernelPtr dropout_of_inference(const Node& node, const ImportContext&) {
  const bool as_x = node.opset < 10;
  return make_kernel([as_x](const Inputs& in) {
    const DType dtype = as_x ? in[0].dtype() : DType::boolean;
    return std::vector<Tensor>{in[0], Tensor::zeros(in[0].shape(), dtype)};
  });
}

KernelPtr dropout(const Node& node, const ImportContext&) {
  const auto given = node.attributes.find<std::int64_t>("seed");
  const ops::Seed seed = given ? ops::Seed(static_cast<std::uint32_t>(*given)) : std::nullopt;
  return make_kernel([seed](const Inputs& in) -> std::vector<Tensor> {
    const bool training = in.has(2) && in[2].item<bool>();
    const double ratio = in.has(1) ? in[1].cast(DType::f64).item<double>() : 0.5;
    if (!training || ratio == 0) return keep_all(in[0]);
    auto [y, kept] = ops::dropout(in[0], ratio, seed);
    return {y, kept};
  });
}

// clang-format off
constexpr Operator kRandomOperators[] = {
    {.op_type = "Bernoulli", .since = 15, .inputs = {1, 1}, .import = bernoulli,
     .mapping = {.shapes = kSame}, .purity = Purity::random},
    {.op_type = "Dropout", .inputs = {1, 1}, .import = dropout_of_inference,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_dropout},
     .finite = Finite::of_first},
    {.op_type = "Dropout", .since = 12, .inputs = {1, 3}, .import = dropout,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_dropout},
     .purity = Purity::random, .finite = Finite::of_first},
    {.op_type = "Multinomial", .since = 7, .inputs = {1, 1}, .import = multinomial,
     .mapping = {.shapes = kSame}, .purity = Purity::random},
    {.op_type = "RandomNormal", .inputs = {0, 0}, .import = random<kNormal>,
     .mapping = {.shapes = kSame}, .purity = Purity::random},
    {.op_type = "RandomNormalLike", .inputs = {1, 1}, .import = random_like<kNormal>,
     .mapping = {.shapes = kSame}, .purity = Purity::random},
    {.op_type = "RandomUniform", .inputs = {0, 0}, .import = random<kUniform>,
     .mapping = {.shapes = kSame}, .purity = Purity::random},
    {.op_type = "RandomUniformLike", .inputs = {1, 1}, .import = random_like<kUniform>,
     .mapping = {.shapes = kSame}, .purity = Purity::random},
};
// clang-format on

}  // namespace

OperatorTable random_operators() { return kRandomOperators; }

}  // namespace quern::onnx
