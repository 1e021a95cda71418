#include <optional>

#include "fuzz/run_onnx.h"
#include "fuzz/targets.h"
#include "quern/onnx.h"

namespace quern::fuzz {
namespace {

/// A small tensor of what an input declares; nothing where it must be large.
std::optional<Tensor> sample(const onnx::ValueInfo& info) {
  constexpr std::int64_t kMost = 1 << 12;
  Shape shape;
  std::int64_t count = 1;
  if (info.dims.size() > static_cast<std::size_t>(Shape::kMaxRank)) return std::nullopt;
  for (const std::int64_t dim : info.dims) {
    shape.push_back(dim < 0 ? 2 : dim);
    if (__builtin_mul_overflow(count, shape[shape.rank() - 1], &count) || count > kMost)
      return std::nullopt;
  }
  if (info.dtype == DType::string) return Tensor::empty(shape, DType::string);
  return Tensor::full(shape, 1, DType::f32).cast(info.dtype);
}

}  // namespace

void onnx(std::span<const std::byte> bytes) {
  allow_errors([&] {
    const auto model = quern::onnx::Model::parse(bytes, {.max_plans = 2, .max_subgraph_runs = 100});
    quern::onnx::Values inputs;
    for (const auto& info : model.info().inputs) {
      if (info.kind != quern::onnx::ValueKind::tensor || info.is_optional) continue;
      const auto value = sample(info);
      if (!value) return;
      inputs.emplace(info.name, *value);
    }
    for (int round = 0; round < 2; ++round) model.run(inputs);
  });
}

}  // namespace quern::fuzz
