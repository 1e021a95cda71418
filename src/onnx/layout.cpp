#include "onnx/layout.h"

#include <algorithm>
#include <array>

#include "ops/layout.h"

namespace quern::onnx {
namespace {

/// The order of axes in which a tensor without gaps is row-major; nothing where it is row-major as
/// it is, or has gaps.
std::optional<Shape> dense_order(const Tensor& x) {
  if (x.rank() < 3 || x.is_contiguous()) return std::nullopt;
  std::vector<int> axes;  // those that matter, the widest stride first
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (x.shape()[axis] != 1) axes.push_back(axis);
  }
  std::ranges::stable_sort(axes, std::greater<>(), [&](int axis) { return x.strides()[axis]; });
  Shape order;
  auto next = axes.begin();
  for (int axis = 0; axis < x.rank(); ++axis)
    order.push_back(x.shape()[axis] == 1 ? axis : *next++);
  return x.permute(order).is_contiguous() ? std::optional(order) : std::nullopt;
}

Shape inverse_of(const Shape& order) {
  Shape inverse = order;
  for (int i = 0; i < order.rank(); ++i) inverse[static_cast<int>(order[i])] = i;
  return inverse;
}

class KeepLayout final : public Kernel {
 public:
  explicit KeepLayout(KernelPtr kernel) : kernel_(std::move(kernel)) {}

  void run(const Inputs& in, Outputs& out) const override {
    const auto order = common_order(in);
    if (!order) return kernel_->run(in, out);
    std::vector<Value> turned;
    std::vector<const Value*> views;
    turned.reserve(in.size());
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Value& value = in.value(i);
      const bool turns = value.is_tensor() && value.tensor().numel() != 1;
      turned.push_back(turns ? Value(ops::with_rank(value.tensor(), order->rank()).permute(*order))
                             : value);
    }
    for (const Value& value : turned) views.push_back(&value);
    std::array<Value, 1> result;
    Outputs results(result);
    kernel_->run(Inputs(views), results);
    out.set(0, result[0].tensor().permute(inverse_of(*order)));
  }

 private:
  /// The order of the largest input; nothing where it is row-major.
  static std::optional<Shape> common_order(const Inputs& in) {
    const Tensor* largest = nullptr;
    int rank = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (!in.value(i).is_tensor()) continue;
      const Tensor& tensor = in.value(i).tensor();
      rank = std::max(rank, tensor.rank());
      if (largest == nullptr || tensor.numel() > largest->numel()) largest = &tensor;
    }
    if (largest == nullptr || largest->rank() != rank) return std::nullopt;
    return dense_order(*largest);
  }

  KernelPtr kernel_;
};

}  // namespace

KernelPtr keep_layout(KernelPtr kernel) {
  return std::make_unique<const KeepLayout>(std::move(kernel));
}

}  // namespace quern::onnx
