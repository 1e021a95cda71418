#include "ops/support_vectors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/format.h"
#include "onnx/import/import.h"
#include "onnx/import/ml/scores.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using ops::SimilarityKernel;

SimilarityKernel similarity_kernel(const Node& node) {
  SimilarityKernel kernel;
  const std::string name = node.attributes.get("kernel_type", "LINEAR");
  using enum SimilarityKernel::Kind;
  if (name == "POLY") {
    kernel.kind = polynomial;
  } else if (name == "RBF") {
    kernel.kind = radial;
  } else if (name == "SIGMOID") {
    kernel.kind = sigmoid;
  } else if (name != "LINEAR") {
    fail(ErrorCode::corrupt_file, "kernel_type is \"{}\"; known: LINEAR, POLY, RBF, SIGMOID", name);
  }
  const auto parameters = list<float>(node, "kernel_params");
  if (parameters.empty()) return kernel;
  if (parameters.size() != 3)
    fail(ErrorCode::corrupt_file, "{} kernel_params, expected 3", parameters.size());
  kernel.gamma = parameters[0];
  kernel.offset = parameters[1];
  kernel.degree = parameters[2];
  return kernel;
}

/// The numbers of an attribute as rows of equal size.
Tensor rows_of_attribute(const Node& node, std::string_view name, std::int64_t rows) {
  const auto values = list<float>(node, name);
  const auto count = static_cast<std::int64_t>(values.size());
  if (rows <= 0 || count == 0 || count % rows != 0)
    fail(ErrorCode::corrupt_file, "{} numbers in {}, expected {} rows", count, name, rows);
  return Tensor::from(values, {rows, count / rows});
}

Tensor as_rows(const Tensor& x) {
  require(x.rank() == 1 || x.rank() == 2, "expected rows of features, got {}", x.shape());
  return (x.rank() == 1 ? x.reshape({1, x.numel()}) : x).cast(DType::f32);
}

float first_rho(const Node& node) {
  const auto rho = list<float>(node, "rho");
  if (rho.empty()) fail(ErrorCode::corrupt_file, "rho is empty");
  return rho[0];
}

KernelPtr support_vector_regressor(const Node& node, const ImportContext&) {
  const std::int64_t count = node.attributes.get("n_supports", std::int64_t{0});
  SimilarityKernel kernel = similarity_kernel(node);
  const Tensor coefficients = rows_of_attribute(node, "coefficients", 1);
  std::optional<Tensor> vectors;
  if (count > 0) {
    vectors = rows_of_attribute(node, "support_vectors", count);
    if (coefficients.dim(1) != count)
      fail(ErrorCode::corrupt_file, "{} coefficients for {} vectors", coefficients.dim(1), count);
  }
  const Tensor rho = Tensor::scalar(first_rho(node));
  const bool one_class = flag(node, "one_class");
  const ops::ScoreTransform transform = score_transform(node);
  return make_kernel([=](const Inputs& in) {
    Tensor x = as_rows(in[0]);
    if (vectors) x = ops::similarities(x, *vectors, kernel);
    const Tensor y = ops::add(ops::similarities(x, coefficients, {}), rho);
    if (!one_class) return ops::transform_scores(y, transform);
    return ops::where(ops::greater(y, Tensor::scalar(0.f)), Tensor::scalar(1.f),
                      Tensor::scalar(-1.f));
  });
}

/// Votes of pairs of classes (libsvm's), or a plane for each class (liblinear's).
class SupportVectorClassifier final : public Kernel {
 public:
  explicit SupportVectorClassifier(const Node& node)
      : labels_(node, "classlabels_ints"),
        classes_(static_cast<std::size_t>(labels_.count())),
        kernel_(similarity_kernel(node)),
        transform_(score_transform(node)),
        rho_(list<float>(node, "rho")),
        a_(list<float>(node, "prob_a")),
        b_(list<float>(node, "prob_b")) {
    const auto per_class = node.attributes.ints("vectors_per_class");
    const auto weights = list<float>(node, "coefficients");
    all_positive_ = std::ranges::all_of(weights, [](float weight) { return weight >= 0; });
    first_.push_back(0);
    for (const std::int64_t count : per_class) {
      if (count < 0 || count > std::numeric_limits<std::int32_t>::max())
        fail(ErrorCode::corrupt_file, "{} vectors of a class", count);
      first_.push_back(first_.back() + count);
    }
    if (a_.size() != b_.size() || rho_.empty())
      fail(ErrorCode::corrupt_file, "{} of prob_a, {} of prob_b, {} of rho", a_.size(), b_.size(),
           rho_.size());
    if (first_.back() == 0) {
      planes_ = rows_of_attribute(node, "coefficients", labels_.count());
      return;
    }
    vectors_ = rows_of_attribute(node, "support_vectors", first_.back());
    if (classes_ > 1) coefficients_ = rows_of_attribute(node, "coefficients", labels_.count() - 1);
    const std::size_t pairs = classes_ * (classes_ - 1) / 2;
    if (per_class.size() != classes_ || classes_ < 2 || coefficients_.dim(1) != first_.back() ||
        rho_.size() < pairs || (!a_.empty() && a_.size() < pairs))
      fail(ErrorCode::corrupt_file, "{} classes of vectors, {} of rho, {} of prob_a for {} labels",
           per_class.size(), rho_.size(), a_.size(), classes_);
  }

  void run(const Inputs& in, Outputs& out) const override {
    const Tensor x = as_rows(in[0]);
    if (first_.back() == 0) return run_planes(x, out);
    const Tensor similar = ops::similarities(x, vectors_, kernel_).contiguous();
    const std::size_t pairs = classes_ * (classes_ - 1) / 2;
    const bool likely = !a_.empty();
    const std::size_t width = likely ? classes_ : pairs;
    Tensor scores = Tensor::empty({x.dim(0), static_cast<std::int64_t>(width)});
    Tensor votes = Tensor::zeros({x.dim(0), labels_.count()});
    for (std::int64_t row = 0; row < x.dim(0); ++row) {
      const auto at = static_cast<std::size_t>(row);
      const std::vector<float> margins =
          margins_of(similar.data<float>().subspan(at * vector_count(), vector_count()),
                     votes.mutable_data<float>().subspan(at * classes_, classes_));
      const std::vector<float> result = likely ? probabilities(margins) : margins;
      std::ranges::copy(result, scores.mutable_data<float>().subspan(at * width).begin());
    }
    out.set(0, labels_.of_best(votes));
    if (likely || pairs > 1) return out.set(1, ops::transform_scores(scores, transform_));
    // As ONNX Runtime does: a lone score is not transformed.
    const bool mirrored = transform_ == ops::ScoreTransform::none;
    const Tensor both[] = {ops::sub(Tensor::full({}, mirrored ? 0 : 1), scores), scores};
    out.set(1, ops::concat(both, 1));
  }

 private:
  std::size_t vector_count() const { return static_cast<std::size_t>(first_.back()); }

  void run_planes(const Tensor& x, Outputs& out) const {
    const Tensor scores = ops::add(ops::similarities(x, planes_, {}), Tensor::scalar(rho_[0]));
    Tensor chosen = labels_.of_best(scores);
    if (classes_ == 2 && a_.empty()) {
      const int classes[] = {1};
      const Tensor best = ops::max(scores, classes, true);
      const Tensor above = all_positive_ ? ops::greater_equal(best, Tensor::scalar(0.5f))
                                         : ops::greater(best, Tensor::scalar(0.f));
      const Tensor second = labels_.of_sign(above.cast(DType::f32), 0.f);
      chosen = ops::where(above.reshape({above.numel()}), second, chosen);
    }
    out.set(0, chosen);
    out.set(1, ops::transform_scores(scores, transform_));
  }

  /// How far a row lies on the first class's side for each pair, in order; counts their votes.
  std::vector<float> margins_of(std::span<const float> similar, std::span<float> votes) const {
    std::vector<float> margins;
    const auto weights = coefficients_.data<float>();
    const auto add_up = [&](std::size_t of, std::size_t against) {
      double sum = 0;
      const auto weight_row = against - (against > of ? 1 : 0);
      for (auto i = static_cast<std::size_t>(first_[of]);
           i < static_cast<std::size_t>(first_[of + 1]); ++i)
        sum += static_cast<double>(weights[weight_row * vector_count() + i] * similar[i]);
      return sum;
    };
    for (std::size_t i = 0; i < classes_; ++i) {
      for (std::size_t j = i + 1; j < classes_; ++j) {
        const double rho = static_cast<double>(rho_[margins.size()]);
        const double margin = add_up(i, j) + add_up(j, i) + rho;
        votes[margin > 0 ? i : j] += 1;
        margins.push_back(static_cast<float>(margin));
      }
    }
    return margins;
  }

  std::vector<float> probabilities(const std::vector<float>& margins) const {
    constexpr float kLeast = 1e-7f;
    std::vector<float> wins(classes_ * classes_, 0.f);
    std::size_t pair = 0;
    for (std::size_t i = 0; i < classes_; ++i) {
      for (std::size_t j = i + 1; j < classes_; ++j, ++pair) {
        const float wins_first = 1.f / (1.f + std::exp(margins[pair] * a_[pair] + b_[pair]));
        const float bounded = std::clamp(wins_first, kLeast, 1.f - kLeast);
        wins[i * classes_ + j] = bounded;
        wins[j * classes_ + i] = 1.f - bounded;
      }
    }
    return ops::couple_pairs(wins, classes_);
  }

  ClassLabels labels_;
  std::size_t classes_;
  SimilarityKernel kernel_;
  ops::ScoreTransform transform_;
  std::vector<float> rho_, a_, b_;
  std::vector<std::int64_t> first_;  ///< vector of each class, and one past the last
  bool all_positive_ = false;
  Tensor vectors_, coefficients_;  ///< [vectors, features]; [classes - 1, vectors]
  Tensor planes_;                  ///< [classes, features]
};

KernelPtr support_vector_classifier(const Node& node, const ImportContext&) {
  return std::make_unique<const SupportVectorClassifier>(node);
}

// clang-format off
constexpr Operator kSupportVectorOperators[] = {
    {.op_type = "SVMClassifier", .domain = kMl, .inputs = {1, 1},
     .import = support_vector_classifier, .mapping = {.shapes = kSame, .rows = follow_each_image}},
    {.op_type = "SVMRegressor", .domain = kMl, .inputs = {1, 1}, .import = support_vector_regressor,
     .mapping = {.shapes = kSame, .rows = follow_each_image}},
};
// clang-format on

}  // namespace

OperatorTable support_vector_operators() { return kSupportVectorOperators; }

}  // namespace quern::onnx
