#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "backend/operation.h"
#include "core/runtime.h"

namespace quern::backend {

/// Identifies a description: its kind and every value in it, as bytes, with the thread count.
class OperationKey {
 public:
  OperationKey(std::string_view kind, std::initializer_list<TensorDesc> tensors,
               const std::vector<PostOp>& steps)
      : bytes_(kind) {
    add(thread_count());
    for (const TensorDesc& tensor : tensors) add(tensor);
    for (const PostOp& step : steps) add(step);
  }

  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T> OperationKey& add(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  OperationKey& add(const TensorDesc& tensor) {
    add(tensor.dtype).add(tensor.shape.rank());
    for (const std::int64_t dim : tensor.shape) add(dim);
    for (const std::int64_t stride : tensor.strides) add(stride);
    return *this;
  }
  OperationKey& add(const PostOp& step) {
    add(step.kind).add(step.eltwise).add(step.alpha).add(step.beta).add(step.binary);
    return add(step.operand);
  }

  const std::string& bytes() const noexcept { return bytes_; }

 private:
  std::string bytes_;
};

/// The last used operations by key, at most `capacity` of them. Thread-safe.
class OperationCache {
 public:
  explicit OperationCache(std::size_t capacity) : capacity_(capacity) {}

  /// Two threads that miss the same key at once both make it; the first to finish stays.
  OperationPtr find_or_add(const OperationKey& key, const std::function<OperationPtr()>& make);
  std::size_t size() const;

 private:
  struct Entry {
    std::string key;
    OperationPtr operation;
  };

  mutable std::mutex mutex_;
  std::list<Entry> recent_;  // most recently used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;
  std::size_t capacity_;
};

OperationCache& operation_cache();

}  // namespace quern::backend
