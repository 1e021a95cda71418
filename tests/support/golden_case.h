#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/visit.h"
#include "support/golden_inputs.h"

namespace quern {

/// What a golden's name says: `op(dtype[sizes]~kind, ..., option=value)`, as golden_inputs.py
/// reads it.
struct GoldenCase {
  std::string op;
  std::vector<Tensor> inputs;
  std::map<std::string, std::string> options;

  std::string text(const std::string& name, const std::string& otherwise = "") const {
    const auto found = options.find(name);
    return found == options.end() ? otherwise : found->second;
  }
  double number(const std::string& name, double otherwise) const {
    const std::string value = text(name);
    return value.empty() ? otherwise : std::stod(value);
  }
};

namespace golden {

inline DType dtype_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(DType::string); ++i) {
    if (to_string(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  }
  fail(ErrorCode::invalid_argument, "golden: no dtype {}", name);
}

inline std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == separator && depth == 0)) {
      if (i > start) parts.push_back(text.substr(start, i - start));
      start = i + 1;
    } else {
      depth += (text[i] == '[') - (text[i] == ']');
    }
  }
  return parts;
}

/// An input; a size followed by `x` is that of a broadcast axis.
inline Tensor make_input(std::string_view text, std::uint32_t seed) {
  const std::size_t open = text.find('[');
  const std::size_t close = text.find(']');
  const DType dtype = dtype_named(text.substr(0, open));
  const std::string_view kind = close + 2 < text.size() ? text.substr(close + 2) : "";
  Shape shape, stored;
  for (const std::string_view size : split(text.substr(open + 1, close - open - 1), ',')) {
    shape.push_back(std::stoll(std::string(size)));
    stored.push_back(size.back() == 'x' ? 1 : shape.dim(-1));
  }
  Tensor values;
  if (is_floating(dtype)) {
    values = float_values(seed, stored, kind).cast(dtype);
  } else {
    visit_numeric("golden", dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (std::is_integral_v<T>) values = int_values<T>(seed, stored, kind);
    });
  }
  return values.expand(shape);
}

}  // namespace golden

inline GoldenCase parse_golden(std::string_view name) {
  const std::size_t open = name.find('(');
  GoldenCase parsed{.op = std::string(name.substr(0, open)), .inputs = {}, .options = {}};
  for (const auto part : golden::split(name.substr(open + 1, name.size() - open - 2), ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      const auto seed = static_cast<std::uint32_t>(parsed.inputs.size());
      parsed.inputs.push_back(golden::make_input(part, seed));
    } else {
      parsed.options.emplace(part.substr(0, equals), part.substr(equals + 1));
    }
  }
  return parsed;
}

/// Large goldens hold every 61st element.
inline Tensor sampled_as(const Tensor& golden, const Tensor& result) {
  const bool all = golden.shape() == result.shape();
  return all ? result.contiguous() : result.reshape({-1}).slice(0, 0, result.numel(), 61).clone();
}

}  // namespace quern
