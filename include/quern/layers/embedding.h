#pragma once

#include <cstdint>

#include "quern/layers/module.h"

namespace quern {

/// Rows of a table: ids [...] (i32 or i64) -> [..., dim], in the table's dtype (quantised: f32).
/// Weight: "weight" [count, dim].
class QUERN_API Embedding : public Module {
 public:
  Embedding(std::int64_t count, std::int64_t dim);

  void load(const WeightsView& weights) override;
  /// Throws: `invalid_argument` for an id outside [0, count).
  Tensor operator()(const Tensor& ids) const override;

 private:
  std::int64_t count_;
  std::int64_t dim_;
  Weight table_;
};

}  // namespace quern
