#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <list>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "backend/operation.h"
#include "core/error.h"
#include "core/runtime.h"

namespace quern::backend {

/// Identifies a description: its kind and every value in it, with the thread count. Made on every
/// call of an eager op, so it allocates nothing and hashes as it grows.
class OperationKey {
 public:
  OperationKey(std::string_view kind,
               std::initializer_list<std::reference_wrapper<const TensorDesc>> tensors,
               const std::vector<PostOp>& steps) {
    for (const char letter : kind) add(letter);
    add(thread_count());
    for (const TensorDesc& tensor : tensors) add(tensor);
    for (const PostOp& step : steps) add(step);
  }

  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T> OperationKey& add(T value) {
    static_assert(sizeof value <= sizeof(std::uint64_t));
    std::uint64_t word = 0;
    std::memcpy(&word, &value, sizeof value);
    if (size_ == words_.size()) fail(ErrorCode::unsupported, "operation: its description is long");
    words_[size_++] = word;
    hash_ = (hash_ ^ word) * 0x9e3779b97f4a7c15u;
    hash_ ^= hash_ >> 32;
    return *this;
  }
  OperationKey& add(const TensorDesc& tensor) {
    add(static_cast<int>(tensor.dtype) | tensor.shape.rank() << 8);
    for (const std::int64_t dim : tensor.shape) add(dim);
    for (const std::int64_t stride : tensor.strides) add(stride);
    return *this;
  }
  OperationKey& add(const PostOp& step) {
    add(step.kind).add(step.eltwise).add(step.alpha).add(step.beta).add(step.binary);
    return add(step.operand);
  }

  std::span<const std::uint64_t> words() const noexcept { return {words_.data(), size_}; }
  std::uint64_t hash() const noexcept { return hash_; }

 private:
  std::array<std::uint64_t, 512> words_;  // only the first size_ of them are ever written or read
  std::size_t size_ = 0;
  std::uint64_t hash_ = 0;
};

/// The last used operations by key, at most `capacity` of them. Thread-safe.
class OperationCache {
 public:
  explicit OperationCache(std::size_t capacity) : capacity_(capacity) {}

  /// Two threads that miss the same key at once both make it; the first to finish stays.
  template <class Make>
  OperationPtr find_or_add(const OperationKey& key, const Make& make) {
    if (std::optional<OperationPtr> found = find(key)) return *std::move(found);
    return add(key, make());
  }
  std::size_t size() const;

 private:
  /// Words that live elsewhere, and their hash.
  struct KeyView {
    std::span<const std::uint64_t> words;
    std::uint64_t hash;
    bool operator==(const KeyView& other) const noexcept;
  };
  struct Hash {
    std::size_t operator()(const KeyView& key) const noexcept { return key.hash; }
  };
  struct Entry {
    std::vector<std::uint64_t> words;
    std::uint64_t hash;
    OperationPtr operation;
    KeyView key() const noexcept { return {words, hash}; }
  };

  std::optional<OperationPtr> find(const OperationKey& key);
  OperationPtr add(const OperationKey& key, OperationPtr made);

  mutable std::mutex mutex_;
  std::list<Entry> recent_;  // most recently used first
  std::unordered_map<KeyView, std::list<Entry>::iterator, Hash> index_;
  std::size_t capacity_;
};

OperationCache& operation_cache();

}  // namespace quern::backend
