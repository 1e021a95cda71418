#include "quern/layers/embedding.h"

#include "core/error.h"
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

}  // namespace quern
