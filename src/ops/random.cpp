#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "core/visit.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

/// Numbers as NumPy's RandomState gives them.
class Generator {
 public:
  explicit Generator(Seed seed) : twister_(seed ? *seed : std::random_device()()) {}

  /// In [0, 1), with 53 random bits.
  double uniform() {
    const std::uint32_t high = static_cast<std::uint32_t>(twister_()) >> 5;
    const std::uint32_t low = static_cast<std::uint32_t>(twister_()) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

  /// By Box and Muller.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  std::mt19937 twister_;
};

template <class Draw>
Tensor filled(const char* name, const Shape& shape, DType dtype, const Draw& draw) {
  if (!is_floating(dtype))
    fail(ErrorCode::unsupported, "{}: expected a floating dtype, got {}", name, dtype);
  Tensor values = Tensor::empty(shape, DType::f64);
  for (double& value : values.mutable_data<double>()) value = draw();
  return values.cast(dtype);
}

/// Running sums of exp(row), over their last.
std::vector<double> cumulative(std::span<const double> row) {
  double largest = row[0];
  for (const double value : row) largest = std::max(largest, value);
  std::vector<double> sums;
  double total = 0;
  for (const double value : row) sums.push_back(total += std::exp(value - largest));
  for (double& value : sums) value /= total;
  return sums;
}

}  // namespace

Tensor random_uniform(const Shape& shape, double low, double high, Seed seed, DType dtype) {
  Generator generator(seed);
  return filled("random_uniform", shape, dtype,
                [&] { return low + (high - low) * generator.uniform(); });
}

Tensor random_normal(const Shape& shape, double mean, double deviation, Seed seed, DType dtype) {
  Generator generator(seed);
  return filled("random_normal", shape, dtype,
                [&] { return mean + deviation * generator.normal(); });
}

Tensor bernoulli(const Tensor& probabilities, DType dtype, Seed seed) {
  if (!is_floating(probabilities.dtype()))
    fail(ErrorCode::unsupported, "bernoulli: expected floating probabilities, got {}",
         probabilities.dtype());
  Generator generator(seed);
  const Tensor wide = probabilities.cast(DType::f64).contiguous();
  Tensor drawn = Tensor::empty(wide.shape(), DType::boolean);
  const auto chances = wide.data<double>();
  const auto flags = drawn.mutable_data<bool>();
  for (std::size_t i = 0; i < flags.size(); ++i) flags[i] = generator.uniform() < chances[i];
  return drawn.cast(dtype);
}

Tensor multinomial(const Tensor& log_odds, std::int64_t count, Seed seed, DType dtype) {
  require(log_odds.rank() == 2 && log_odds.dim(1) > 0 && is_floating(log_odds.dtype()),
          "multinomial: expected floating log odds [batch, classes], got {} {}", log_odds.dtype(),
          log_odds.shape());
  require(dtype == DType::i32 || dtype == DType::i64, "multinomial: dtype {}, expected i32 or i64",
          dtype);
  Generator generator(seed);
  const Tensor wide = log_odds.cast(DType::f64).contiguous();
  const std::int64_t classes = wide.dim(1);
  Tensor drawn = Tensor::empty({wide.dim(0), count}, DType::i64);
  std::int64_t* out = drawn.mutable_data<std::int64_t>().data();
  for (std::int64_t row = 0; row < wide.dim(0); ++row) {
    const auto sums = cumulative(wide.data<double>().subspan(
        static_cast<std::size_t>(row * classes), static_cast<std::size_t>(classes)));
    for (std::int64_t i = 0; i < count; ++i) {
      const auto place = std::upper_bound(sums.begin(), sums.end() - 1, generator.uniform());
      *out++ = place - sums.begin();
    }
  }
  return drawn.cast(dtype);
}

Dropped dropout(const Tensor& x, double ratio, Seed seed) {
  require(ratio >= 0 && ratio < 1, "dropout: ratio is {}, expected [0, 1)", ratio);
  Generator generator(seed);
  Tensor kept = Tensor::empty(x.shape(), DType::boolean);
  for (bool& flag : kept.mutable_data<bool>()) flag = generator.uniform() >= ratio;
  const Tensor scaled = mul(x, Tensor::full({}, 1 / (1 - ratio), x.dtype()));
  return {where(kept, scaled, Tensor::zeros({}, x.dtype())), kept};
}

}  // namespace quern::ops
