#include "ops/support_vectors.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

Tensor radial_similarities(const Tensor& x, const Tensor& vectors, float gamma) {
  const Tensor rows = x.contiguous();
  const Tensor centres = vectors.contiguous();
  const std::int64_t features = x.dim(1);
  const std::int64_t count = vectors.dim(0);
  Tensor y = Tensor::empty({x.dim(0), count});
  const float* from = rows.data<float>().data();
  const float* centre = centres.data<float>().data();
  float* to = y.mutable_data<float>().data();
  parallel_for(y.numel(), 1 + 16384 / (features + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* p = from + i / count * features;
      const float* q = centre + i % count * features;
      float distance = 0;
      for (std::int64_t k = 0; k < features; ++k) distance += (p[k] - q[k]) * (p[k] - q[k]);
      to[i] = std::exp(-gamma * distance);
    }
  });
  return y;
}

}  // namespace

Tensor similarities(const Tensor& x, const Tensor& vectors, const SimilarityKernel& kernel) {
  require(x.rank() == 2 && vectors.rank() == 2 && x.dim(1) == vectors.dim(1),
          "similarities: rows {} and vectors {} do not fit together", x.shape(), vectors.shape());
  using enum SimilarityKernel::Kind;
  if (kernel.kind == radial) return radial_similarities(x, vectors, kernel.gamma);
  const Tensor product = matmul(x, vectors.transpose(0, 1));
  if (kernel.kind == linear) return product;
  const Tensor line =
      add(mul(product, Tensor::scalar(kernel.gamma)), Tensor::scalar(kernel.offset));
  return kernel.kind == sigmoid ? tanh(line) : pow(line, Tensor::scalar(kernel.degree));
}

std::vector<float> couple_pairs(std::span<const float> wins, std::size_t classes) {
  std::vector<float> q(classes * classes, 0.f), p(classes, 1.f / static_cast<float>(classes)),
      qp(classes);
  for (std::size_t i = 0; i < classes; ++i) {
    for (std::size_t j = 0; j < classes; ++j) {
      if (j == i) continue;
      q[i * classes + i] += wins[j * classes + i] * wins[j * classes + i];
      q[i * classes + j] = -wins[j * classes + i] * wins[i * classes + j];
    }
  }
  const float tolerance = 0.005f / static_cast<float>(classes);
  const std::size_t most_rounds = std::max<std::size_t>(100, classes);
  for (std::size_t round = 0; round < most_rounds; ++round) {
    float pqp = 0;
    for (std::size_t i = 0; i < classes; ++i) {
      qp[i] = 0;
      for (std::size_t j = 0; j < classes; ++j) qp[i] += q[i * classes + j] * p[j];
      pqp += p[i] * qp[i];
    }
    const bool settled =
        std::ranges::all_of(qp, [&](float value) { return std::abs(value - pqp) < tolerance; });
    if (settled) break;
    for (std::size_t i = 0; i < classes; ++i) {
      const float own = q[i * classes + i];
      const float step = (pqp - qp[i]) / own;
      p[i] += step;
      pqp = (pqp + step * (step * own + 2 * qp[i])) / (1 + step) / (1 + step);
      for (std::size_t j = 0; j < classes; ++j) {
        qp[j] = (qp[j] + step * q[i * classes + j]) / (1 + step);
        p[j] /= 1 + step;
      }
    }
  }
  return p;
}

}  // namespace quern::ops
