#include "onnx/plan.h"

#include <algorithm>

namespace quern::onnx {
namespace {

void append(std::string& signature, const void* data, std::size_t bytes) {
  signature.append(static_cast<const char*>(data), bytes);
}

void append(std::string& signature, const Value& value) {
  const auto kind = value.kind();
  append(signature, &kind, sizeof kind);
  if (kind == ValueKind::tensor) {
    const Tensor& tensor = value.tensor();
    const DType dtype = tensor.dtype();
    const int rank = tensor.rank();
    append(signature, &dtype, sizeof dtype);
    append(signature, &rank, sizeof rank);
    append(signature, tensor.shape().begin(), sizeof(std::int64_t) * static_cast<unsigned>(rank));
  } else if (kind != ValueKind::none) {
    const std::size_t count = value.items().size();
    append(signature, &count, sizeof count);
    for (const Value& item : value.items()) append(signature, item);
  }
}

}  // namespace

std::string signature_of(std::span<const Value> inputs) {
  std::string signature;
  for (const Value& input : inputs) append(signature, input);
  return signature;
}

std::shared_ptr<const Plan> PlanCache::find(const std::string& signature) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(recent_, signature, &Plan::signature);
  if (found == recent_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found);
  return recent_.front();
}

void PlanCache::add(std::shared_ptr<const Plan> plan) {
  const std::scoped_lock lock(mutex_);
  const bool known = std::ranges::find(recent_, plan->signature, &Plan::signature) != recent_.end();
  if (known) return;
  recent_.push_front(std::move(plan));
  if (recent_.size() > capacity_) recent_.pop_back();
}

}  // namespace quern::onnx
