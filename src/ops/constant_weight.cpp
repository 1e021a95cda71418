#include "ops/constant_weight.h"

#include <utility>

#include "core/buffer.h"

namespace quern::ops {

ConstantWeight::ConstantWeight(Tensor given)
    : shape_(given.shape()), dtype_(given.dtype()), given_(std::move(given)) {}

Tensor ConstantWeight::elements() const {
  const std::scoped_lock lock(mutex_);
  if (packer_ == nullptr || keeps_given_) return given_;
  Tensor plain = Tensor::empty(shape_, dtype_);
  packer_->unpack(packed_.get(), plain.mutable_raw());
  return plain;
}

Tensor ConstantWeight::plain() {
  {
    const std::scoped_lock lock(mutex_);
    if (keeps_given_) return given_;
  }
  const BufferScope heap(nullptr);
  Tensor made = elements().contiguous();
  const std::scoped_lock lock(mutex_);
  if (!keeps_given_) given_ = std::move(made);
  keeps_given_ = true;
  return given_;
}

std::shared_ptr<const std::byte> ConstantWeight::packed_for(const backend::OperationPtr& operation,
                                                            DType dtype) {
  const BufferScope heap(nullptr);  // what is packed here outlives the caller's work
  if (auto known = find(*operation)) return known;
  auto packed = operation->pack(elements().cast(dtype).contiguous().raw());
  add(operation, packed, dtype);
  return packed;
}

std::shared_ptr<const std::byte> ConstantWeight::find(const backend::Operation& operation) {
  const std::scoped_lock lock(mutex_);
  for (const Form& form : forms_) {
    if (!operation.packs_as(*form.operation)) continue;
    if (auto bytes = form.bytes.lock()) return bytes;
  }
  return nullptr;
}

void ConstantWeight::add(const backend::OperationPtr& operation,
                         std::shared_ptr<const std::byte> bytes, DType dtype) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(forms_, [](const Form& form) { return form.bytes.expired(); });
  forms_.push_back({operation, bytes});
  if (packer_ != nullptr || dtype != dtype_ || !operation->can_unpack()) return;
  packer_ = operation;
  packed_ = std::move(bytes);
  if (!keeps_given_) given_ = Tensor();
}

}  // namespace quern::ops
