#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "onnx/arena.h"
#include "onnx/graph.h"

namespace quern::onnx {

/// What is known of a graph once the shapes of its inputs are.
struct Plan {
  std::string signature;
  std::vector<Value> constants;     ///< by value: what does not change between runs, else nothing
  std::vector<std::int32_t> steps;  ///< those that a run takes
  ArenaLayout layout;               ///< of the steps above
};

/// The dtypes and shapes of inputs as bytes to compare.
std::string signature_of(std::span<const Value> inputs);

/// The plans used last, each for one signature; bounded. Thread-safe.
class PlanCache {
 public:
  explicit PlanCache(std::size_t capacity) : capacity_(capacity) {}

  /// Null where there is none.
  std::shared_ptr<const Plan> find(const std::string& signature);
  void add(std::shared_ptr<const Plan> plan);

 private:
  std::size_t capacity_;
  std::mutex mutex_;
  std::list<std::shared_ptr<const Plan>> recent_;
};

}  // namespace quern::onnx
