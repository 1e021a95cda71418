#include "models/parts/linear.h"

#include <map>
#include <string>

namespace quern::models {
namespace {

Weight rows_of(const Weight& whole, const RowRange& range) {
  const std::int64_t rows = whole.shape()[0];
  if (range.period == 0) return whole.rows(range.begin, range.begin + range.count);
  std::vector<Weight> parts;
  for (std::int64_t at = range.begin; at < rows; at += range.period)
    parts.push_back(whole.rows(at, at + range.count));
  return Weight::concat(parts);
}

}  // namespace

Linear load_linear(const Tensors& tensors, std::string_view name, std::int64_t in, std::int64_t out,
                   std::optional<bool> bias) {
  const bool has_bias = bias.value_or(tensors.has(name, "bias"));
  Linear linear(in, out, {.bias = has_bias, .accuracy = tensors.accuracy()});
  linear.load(tensors.view(name, has_bias));
  return linear;
}

std::vector<Linear> load_rows(const Tensors& tensors, std::string_view name, std::int64_t in,
                              std::int64_t rows, std::span<const RowRange> ranges,
                              std::optional<bool> bias) {
  const bool has_bias = bias.value_or(tensors.has(name, "bias"));
  const WeightsView view = tensors.view(name, has_bias);
  const Weight& weight = view.get("weight", {rows, in});
  std::vector<Linear> linears;
  for (const RowRange& range : ranges) {
    std::map<std::string, Weight> parts{{"weight", rows_of(weight, range)}};
    if (has_bias) parts.emplace("bias", rows_of(view.get("bias", {rows}), range));
    const std::int64_t out = parts.at("weight").shape()[0];
    linears.emplace_back(in, out, LinearSettings{.bias = has_bias, .accuracy = tensors.accuracy()});
    linears.back().load(Weights(std::move(parts)));
  }
  return linears;
}

}  // namespace quern::models
