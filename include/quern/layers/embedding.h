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

/// Rows of a table, a bag of them reduced to one.
/// Weight: "weight" [count, dim].
class QUERN_API EmbeddingBag : public Module {
 public:
  enum class Mode { sum, mean, max };

  EmbeddingBag(std::int64_t count, std::int64_t dim, Mode mode = Mode::mean);

  void load(const WeightsView& weights) override;
  /// Bags of one size: ids [bags, size] (i32 or i64) -> [bags, dim]. Throws: `invalid_argument` for
  /// an id outside [0, count).
  Tensor operator()(const Tensor& ids) const override;
  /// Bags one after another: ids [n], of which bag i begins at `offsets[i]` (i32 or i64, ascending,
  /// the first 0) -> [bags, dim]; an empty bag gives zeros.
  Tensor operator()(const Tensor& ids, const Tensor& offsets) const;

 private:
  std::int64_t count_;
  std::int64_t dim_;
  Mode mode_;
  Weight table_;
};

}  // namespace quern
