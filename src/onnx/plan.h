#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/counted_bytes.h"
#include "onnx/arena.h"
#include "onnx/graph.h"

namespace quern::onnx {

/// Values of some of a graph's, by their ids.
class SomeValues {
 public:
  explicit SomeValues(std::size_t count) : places_(count, -1) {}

  /// Null where there is none.
  const Value* find(ValueId id) const {
    const std::int32_t place = places_[static_cast<std::size_t>(id)];
    return place < 0 ? nullptr : &values_[static_cast<std::size_t>(place)];
  }
  void add(ValueId id, Value value) {
    places_[static_cast<std::size_t>(id)] = static_cast<std::int32_t>(values_.size());
    values_.push_back(std::move(value));
  }
  std::size_t own_bytes() const noexcept {
    return places_.capacity() * sizeof(std::int32_t) + values_.capacity() * sizeof(Value);
  }

 private:
  std::vector<std::int32_t> places_;
  std::vector<Value> values_;
};

/// What is known of a graph once the shapes of its inputs are.
struct Plan {
  std::string signature;
  SomeValues constants;             ///< what does not change between runs
  std::vector<std::int32_t> steps;  ///< those that a run takes
  ArenaLayout layout;               ///< of the steps above
  CountedBytes counted;             ///< what all of this takes
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
