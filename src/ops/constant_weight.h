#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "backend/operation.h"
#include "quern/tensor.h"

namespace quern::ops {

/// A weight that never changes: as it was given until an operation has packed it, and from then on
/// in that form alone, of which others are made where they are asked for; and in panels beside it
/// once those are asked for. Operations that want it alike share it. Thread-safe.
class ConstantWeight {
 public:
  explicit ConstantWeight(Tensor given);

  const Shape& shape() const noexcept { return shape_; }
  DType dtype() const noexcept { return dtype_; }
  /// The elements, in dtype().
  Tensor elements() const;
  /// Of a matrix of f32: its kernels::Panels, kept beside what operations have packed.
  Tensor panels();
  /// In `dtype` and laid out as `operation` wants it.
  std::shared_ptr<const std::byte> packed_for(const backend::OperationPtr& operation, DType dtype);

 private:
  struct Form {
    backend::OperationPtr operation;
    std::weak_ptr<const std::byte> bytes;
  };
  std::shared_ptr<const std::byte> find(const backend::Operation& operation);
  void add(const backend::OperationPtr& operation, std::shared_ptr<const std::byte> bytes,
           DType dtype);

  Shape shape_;
  DType dtype_;
  mutable std::mutex mutex_;
  Tensor given_;                  // until it is kept in another form
  std::optional<Tensor> panels_;  // once they were asked for
  backend::OperationPtr packer_;
  std::shared_ptr<const std::byte> packed_;  // by packer_
  std::vector<Form> forms_;
};

}  // namespace quern::ops
