#pragma once

#include <map>
#include <optional>
#include <vector>

#include "onnx/operator.h"

namespace quern::onnx {

/// What is known of a node's inputs before the graph runs.
class KnownInputs {
 public:
  /// By value, vectors and numbers (i64) that are made of sizes, kUnknown among them.
  using Sizes = std::map<ValueId, Tensor>;

  KnownInputs(const Graph& graph, const Node& node, const Sizes& sizes)
      : graph_(graph), node_(node), sizes_(sizes) {}

  bool has(std::size_t index) const { return node_.has_input(index); }
  std::size_t count() const { return node_.operator_inputs; }
  /// Nothing where not even the rank is known.
  std::optional<Dims> dims(std::size_t index) const;
  /// Elements of a constant of integers. Nothing where they are not known.
  std::optional<Dims> ints(std::size_t index) const;
  /// As `ints`, or sizes, some of which may not be known.
  std::optional<Dims> sizes(std::size_t index) const;

 private:
  const Graph& graph_;
  const Node& node_;
  const Sizes& sizes_;
};

/// Larger sizes are taken as not known, so that sums and a product of two do not overflow.
inline constexpr std::int64_t kLargestSize = std::int64_t{1} << 30;
/// kUnknown where it is none.
std::int64_t checked_size(std::int64_t size);

/// A place between elements of a list of `size`, counted from the end where negative; its ends
/// where it is beyond them.
std::int64_t clamped_place(std::int64_t place, std::int64_t size);

/// Product of `dims`; kUnknown where one is not known or the product is huge.
std::int64_t element_count(const Dims& dims);

}  // namespace quern::onnx
