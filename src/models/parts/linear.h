#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "models/source/tensors.h"
#include "quern/layers.h"

namespace quern::models {

/// A product with one tensor. `bias`: whether it has one; none: where the file has it. Throws: as
/// Tensors::get, and `invalid_argument` for another shape.
Linear load_linear(const Tensors& tensors, std::string_view name, std::int64_t in, std::int64_t out,
                   std::optional<bool> bias);

/// Rows of a tensor, as many as `count`, from `begin` on, and after each `period` rows again.
struct RowRange {
  std::int64_t begin = 0;
  std::int64_t count = 0;
  std::int64_t period = 0;  ///< 0: once
};

/// Products with the rows of one tensor [rows, in], and with their part of its bias: views where
/// the rows lie together, else copies. Throws: as load_linear.
std::vector<Linear> load_rows(const Tensors& tensors, std::string_view name, std::int64_t in,
                              std::int64_t rows, std::span<const RowRange> ranges,
                              std::optional<bool> bias);

}  // namespace quern::models
