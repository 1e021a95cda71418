#include "ops/constant_weight.h"

#include <utility>

#include "core/buffer.h"
#include "kernels/row_product.h"

namespace quern::ops {

ConstantWeight::ConstantWeight(Tensor given)
    : shape_(given.shape()), dtype_(given.dtype()), given_(std::move(given)) {}

namespace {

kernels::Panels panels_in(const Tensor& panels, const Shape& shape) {
  return {panels.data<float>().data(), shape[0], shape[1]};
}

}  // namespace

Tensor ConstantWeight::elements() const {
  const std::scoped_lock lock(mutex_);
  if (packer_ == nullptr && !panels_) return given_;
  Tensor plain = Tensor::empty(shape_, dtype_);
  if (packer_ != nullptr) {
    packer_->unpack(packed_.get(), plain.mutable_raw());
  } else {
    kernels::unpack_panels(panels_in(*panels_, shape_), plain.mutable_data<float>().data());
  }
  return plain;
}

Tensor ConstantWeight::panels() {
  {
    const std::scoped_lock lock(mutex_);
    if (panels_) return *panels_;
  }
  const BufferScope heap(nullptr);
  const Tensor from = elements();
  kernels::Panels shape{nullptr, shape_[0], shape_[1]};
  Tensor made = Tensor::empty({shape.size()});
  kernels::pack_panels(shape, static_cast<const float*>(from.raw()), from.strides()[0],
                       from.strides()[1], made.mutable_data<float>().data());
  const std::scoped_lock lock(mutex_);
  if (!panels_) panels_ = std::move(made);
  given_ = Tensor();
  return *panels_;
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
  given_ = Tensor();
}

}  // namespace quern::ops
