#include "quern/ops/tabular.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "core/parallel.h"
#include "core/visit.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

struct Rows {
  std::int64_t count;
  std::int64_t size;
};

Rows rows_of(const char* operation, const Tensor& x) {
  require(x.rank() == 1 || x.rank() == 2, "{}: expected rows [rows, columns], got {}", operation,
          x.shape());
  return {x.rank() == 1 ? 1 : x.dim(0), x.dim(-1)};
}

void softmax_row(std::span<float> row, bool skips_zeros) {
  const float largest = *std::ranges::max_element(row);
  float total = 0;
  for (float& score : row) {
    if (skips_zeros && std::abs(score) < 1e-7f) continue;
    score = std::exp(score - largest);
    total += score;
  }
  if (total == 0) return;
  for (float& score : row) score /= total;
}

float logistic(float score) {
  const float value = 1.f / (1.f + std::exp(-std::abs(score)));
  return score < 0 ? 1.f - value : value;
}

/// sqrt(2) times the inverse error function of 2 p - 1 (Winitzki, 2008), which the standard's
/// implementations use.
float probit(float probability) {
  const float x = 2.f * probability - 1.f;
  const float sign = x < 0 ? -1.f : 1.f;
  const float logarithm = std::log((1.f - x) * (1.f + x));
  const float v = 2.f / (3.14159265f * 0.147f) + 0.5f * logarithm;
  const float v2 = logarithm / 0.147f;
  return 1.41421356f * sign * std::sqrt(std::sqrt(v * v - v2) - v);
}

template <class T>
std::uint64_t number_key(T value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<std::uint64_t>(value);
  } else {
    const double wide = static_cast<double>(static_cast<Compute<T>>(value));
    if (std::isnan(wide))
      return std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN());
    return std::bit_cast<std::uint64_t>(wide == 0 ? 0.0 : wide);
  }
}

template <class Key, class T, class KeyOf>
void look_up(std::span<const T> x, std::span<const T> keys, std::int64_t* positions,
             const KeyOf& key_of) {
  std::unordered_map<Key, std::int64_t> places;
  for (std::size_t i = 0; i < keys.size(); ++i)
    places.insert_or_assign(key_of(keys[i]), static_cast<std::int64_t>(i));
  for (const T& value : x) {
    const auto found = places.find(key_of(value));
    *positions++ = found == places.end() ? static_cast<std::int64_t>(keys.size()) : found->second;
  }
}

}  // namespace

Tensor transform_scores(const Tensor& x, ScoreTransform transform) {
  const Rows rows = rows_of("transform_scores", x);
  Tensor y = x.clone();
  if (transform == ScoreTransform::none || x.numel() == 0) return y;
  const auto scores = y.mutable_data<float>();
  if (transform == ScoreTransform::logistic) {
    std::ranges::transform(scores, scores.begin(), logistic);
  } else if (transform == ScoreTransform::probit) {
    std::ranges::transform(scores, scores.begin(), probit);
  } else {
    for (std::int64_t row = 0; row < rows.count; ++row) {
      softmax_row(scores.subspan(static_cast<std::size_t>(row * rows.size),
                                 static_cast<std::size_t>(rows.size)),
                  transform == ScoreTransform::softmax_zero);
    }
  }
  return y;
}

Tensor normalize_rows(const Tensor& x, RowNorm norm) {
  const Rows rows = rows_of("normalize_rows", x);
  Tensor y = x.cast(DType::f32).clone();
  float* row = y.mutable_data<float>().data();
  for (std::int64_t i = 0; i < rows.count; ++i, row += rows.size) {
    double size = 0;
    for (std::int64_t j = 0; j < rows.size; ++j) {
      const double magnitude = std::abs(row[j]);
      size = norm == RowNorm::max  ? (j == 0 ? row[j] : std::max<double>(size, row[j]))
             : norm == RowNorm::l1 ? size + magnitude
                                   : size + magnitude * magnitude;
    }
    if (norm == RowNorm::l2) size = std::sqrt(size);
    if (size == 0) continue;
    for (std::int64_t j = 0; j < rows.size; ++j)
      row[j] = static_cast<float>(static_cast<double>(row[j]) / size);
  }
  return y;
}

Tensor scale_features(const Tensor& x, const Tensor& offset, const Tensor& scale) {
  rows_of("scale_features", x);
  for (const Tensor* parameter : {&offset, &scale}) {
    require(parameter->numel() == 1 || parameter->shape() == Shape{x.dim(-1)},
            "scale_features: expected [1] or [{}], got {}", x.dim(-1), parameter->shape());
  }
  return mul(sub(x.cast(DType::f32), offset), scale);
}

Tensor impute(const Tensor& x, const Tensor& missing, const Tensor& values) {
  const Rows rows = rows_of("impute", x);
  require(x.dtype() == values.dtype() && x.dtype() == missing.dtype(),
          "impute: dtypes {}, {}, {} differ", x.dtype(), missing.dtype(), values.dtype());
  require(values.numel() == 1 || values.shape() == Shape{rows.size},
          "impute: expected values [1] or [{}], got {}", rows.size, values.shape());
  Tensor y = x.clone();
  visit_dtype(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double> ||
                  std::is_same_v<T, std::int64_t>) {
      const T wanted = missing.reshape({}).item<T>();
      const Tensor dense = values.contiguous();
      const auto fill = dense.data<T>();
      T* data = y.mutable_data<T>().data();
      for (std::int64_t i = 0; i < y.numel(); ++i) {
        const bool both_nan = data[i] != data[i] && wanted != wanted;
        if (data[i] == wanted || both_nan)
          data[i] = fill[fill.size() == 1 ? 0 : static_cast<std::size_t>(i % rows.size)];
      }
    } else {
      fail(ErrorCode::unsupported, "impute: dtype {} is not supported", x.dtype());
    }
  });
  return y;
}

Tensor binarize(const Tensor& x, float threshold) {
  Tensor y = x.clone();
  visit_numeric("binarize", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (T& value : y.mutable_data<T>()) {
      const bool above = static_cast<double>(static_cast<Compute<T>>(value)) > threshold;
      value = static_cast<T>(static_cast<Compute<T>>(above ? 1 : 0));
    }
  });
  return y;
}

Tensor find_positions(const Tensor& x, const Tensor& keys) {
  require(x.dtype() == keys.dtype(), "find_positions: dtypes {} and {} differ", x.dtype(),
          keys.dtype());
  require(keys.rank() == 1, "find_positions: expected keys [n], got {}", keys.shape());
  Tensor positions = Tensor::empty(x.shape(), DType::i64);
  std::int64_t* to = positions.mutable_data<std::int64_t>().data();
  const Tensor src = x.contiguous();
  const Tensor dense = keys.contiguous();
  visit_dtype(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, std::string>) {
      look_up<std::string_view>(src.data<T>(), dense.data<T>(), to,
                                [](const T& key) { return std::string_view(key); });
    } else if constexpr (is_number<T>) {
      look_up<std::uint64_t>(src.data<T>(), dense.data<T>(), to, number_key<T>);
    } else {
      fail(ErrorCode::unsupported, "find_positions: dtype {} is not supported", x.dtype());
    }
  });
  return positions;
}

}  // namespace quern::ops
