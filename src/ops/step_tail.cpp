#include "ops/step_tail.h"

#include <algorithm>
#include <span>

#include "kernels/activation.h"

namespace quern::ops {

namespace {

template <class T>
void activate(ActivationFunction::Kind function, Tensor dst, const std::optional<Tensor>& addend) {
  T* data = static_cast<T*>(dst.mutable_raw());
  const T* added = addend ? static_cast<const T*>(addend->raw()) : nullptr;
  kernels::activate(function, data, added, dst.numel(), data);
}

}  // namespace

void StepTail::run(const Tensor& dst, const std::optional<Tensor>& addend) const {
  if (dst.dtype() == DType::f32)
    activate<float>(function, dst, addend);
  else
    activate<BFloat16>(function, dst, addend);
}

bool keep_non_finite(const std::vector<Step>& steps) {
  const auto tail = step_tail(steps);
  const std::size_t fused = tail && !tail->adds ? tail->begin : steps.size();
  return std::ranges::all_of(std::span(steps).first(fused), &Step::keeps_non_finite);
}

std::optional<StepTail> step_tail(const std::vector<Step>& steps) {
  const bool adds = !steps.empty() && steps.back() == Binary::add;
  const std::size_t count = steps.size() - (adds ? 1 : 0);
  if (count == 0 || steps[count - 1].has_operand()) return std::nullopt;
  const ActivationFunction::Kind function = steps[count - 1].function().kind;
  return kernels::is_fast_at(function) ? std::optional(StepTail{count - 1, function, adds})
                                       : std::nullopt;
}

}  // namespace quern::ops
