#include "quern/layers/embedding.h"

#include "core/error.h"
#include "core/format.h"
#include "quern/ops.h"

namespace quern {

Embedding::Embedding(std::int64_t count, std::int64_t dim) : count_(count), dim_(dim) {
  require(count > 0 && dim > 0, "Embedding: sizes {} and {} must be positive", count, dim);
}

void Embedding::load(const WeightsView& weights) { table_ = weights.get("weight", {count_, dim_}); }

Tensor Embedding::operator()(const Tensor& ids) const {
  require(table_.shape().rank() == 2, "Embedding: called before its weights were loaded");
  return ops::embedding(table_, ids);
}

EmbeddingBag::EmbeddingBag(std::int64_t count, std::int64_t dim, Mode mode)
    : count_(count), dim_(dim), mode_(mode) {
  require(count > 0 && dim > 0, "EmbeddingBag: sizes {} and {} must be positive", count, dim);
}

void EmbeddingBag::load(const WeightsView& weights) {
  table_ = weights.get("weight", {count_, dim_});
}

Tensor EmbeddingBag::operator()(const Tensor& ids) const {
  require(ids.rank() == 2, "EmbeddingBag: expected ids [bags, size], got {}", ids.shape());
  std::vector<std::int64_t> offsets;
  for (std::int64_t bag = 0; bag < ids.dim(0); ++bag) offsets.push_back(bag * ids.dim(1));
  return (*this)(ids.reshape({ids.numel()}), Tensor::from(offsets, {ids.dim(0)}));
}

Tensor EmbeddingBag::operator()(const Tensor& ids, const Tensor& offsets) const {
  require(table_.shape().rank() == 2, "EmbeddingBag: called before its weights were loaded");
  require(ids.rank() == 1 && offsets.rank() == 1 &&
              (offsets.dtype() == DType::i32 || offsets.dtype() == DType::i64),
          "EmbeddingBag: expected ids [n] and offsets [bags] of i32 or i64, got {} and {} {}",
          ids.shape(), offsets.dtype(), offsets.shape());
  const Tensor rows = ops::embedding(table_, ids);
  const Tensor wide = offsets.cast(DType::i64).contiguous();
  const auto begins = wide.data<std::int64_t>();
  const int axis[] = {0};
  std::vector<Tensor> bags;
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const std::int64_t end = i + 1 < begins.size() ? begins[i + 1] : ids.numel();
    require((i > 0 || begins[i] == 0) && begins[i] <= end && end <= ids.numel(),
            "EmbeddingBag: offset {} of {} ids", begins[i], ids.numel());
    const Tensor bag = rows.slice(0, begins[i], end);
    if (bag.dim(0) == 0) {
      bags.push_back(Tensor::zeros({1, dim_}, rows.dtype()));
    } else if (mode_ == Mode::max) {
      bags.push_back(ops::max(bag, axis, true));
    } else {
      bags.push_back(mode_ == Mode::sum ? ops::sum(bag, axis, true) : ops::mean(bag, axis, true));
    }
  }
  return bags.empty() ? Tensor::zeros({0, dim_}, rows.dtype()) : ops::concat(bags, 0);
}

}  // namespace quern
