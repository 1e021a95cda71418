#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/parallel.h"
#include "core/visit.h"
#include "ops/dense_attention.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

constexpr std::int64_t kBlockScores = std::int64_t{4} << 20;  // 16 MB of f32

struct AttentionSizes {
  std::int64_t batch, heads, queries, head_dim, kv_heads, keys, value_dim;
};

AttentionSizes sizes_of(const Tensor& q, const Tensor& k, const Tensor& v) {
  require(q.rank() == 4 && k.rank() == 4 && v.rank() == 4,
          "attention: expected tensors [batch, heads, tokens, dim], got {}, {}, {}", q.shape(),
          k.shape(), v.shape());
  require(q.dtype() == k.dtype() && q.dtype() == v.dtype(), "attention: dtypes {}, {}, {} differ",
          q.dtype(), k.dtype(), v.dtype());
  if (!is_floating(q.dtype()))
    fail(ErrorCode::unsupported, "attention: expected a floating dtype, got {}", q.dtype());
  const bool fits = q.dim(0) == k.dim(0) && k.dim(0) == v.dim(0) && q.dim(3) == k.dim(3) &&
                    k.dim(1) == v.dim(1) && k.dim(2) == v.dim(2);
  require(fits, "attention: q {}, k {} and v {} do not fit together", q.shape(), k.shape(),
          v.shape());
  require(k.dim(1) > 0 && q.dim(1) % k.dim(1) == 0,
          "attention: {} heads are not a multiple of {} kv_heads", q.dim(1), k.dim(1));
  return {q.dim(0), q.dim(1), q.dim(2), q.dim(3), k.dim(1), k.dim(2), v.dim(3)};
}

/// A mask as numbers to add, of the dtype that scores are computed in.
Tensor additive(const Tensor& mask, DType dtype) {
  if (mask.dtype() != DType::boolean) {
    require(is_floating(mask.dtype()), "attention: mask has dtype {}", mask.dtype());
    return mask.cast(dtype).contiguous();
  }
  const Tensor seen = mask.contiguous();
  Tensor numbers = Tensor::empty(mask.shape());
  std::ranges::transform(seen.data<bool>(), numbers.mutable_data<float>().begin(), [](bool sees) {
    return sees ? 0.f : -std::numeric_limits<float>::infinity();
  });
  return numbers.cast(dtype);
}

std::vector<std::int64_t> per_batch(const char* name, const std::optional<Tensor>& values,
                                    const AttentionSizes& sizes, std::int64_t fallback) {
  if (!values) return std::vector<std::int64_t>(static_cast<std::size_t>(sizes.batch), fallback);
  require(values->numel() == sizes.batch, "attention: {} has shape {}, expected [{}]", name,
          values->shape(), sizes.batch);
  require(values->dtype() == DType::i32 || values->dtype() == DType::i64,
          "attention: {} has dtype {}", name, values->dtype());
  const Tensor wide = values->cast(DType::i64).contiguous();
  const auto data = wide.data<std::int64_t>();
  return {data.begin(), data.end()};
}

/// Which keys each query sees, and what is added to its scores.
class Mask {
 public:
  Mask(const AttentionSizes& sizes, const MaskedAttentionOptions& options, DType dtype)
      : causal_(options.causal),
        window_(options.window),
        lengths_(per_batch("key_lengths", options.key_lengths, sizes, sizes.keys)),
        starts_(per_batch("query_starts", options.query_starts, sizes, 0)) {
    require(options.window >= 0 && (options.window == 0 || options.causal),
            "attention: a window of {} needs causal attention", options.window);
    for (std::int64_t& length : lengths_) length = std::clamp<std::int64_t>(length, 0, sizes.keys);
    if (!options.mask) return;
    const Tensor& mask = *options.mask;
    require(mask.rank() >= 1 && mask.rank() <= 4 && mask.dim(-1) <= sizes.keys,
            "attention: mask {} does not fit {} keys", mask.shape(), sizes.keys);
    const std::int64_t columns = mask.dim(-1) == 1 ? sizes.keys : mask.dim(-1);
    for (std::int64_t& length : lengths_) length = std::min(length, columns);
    added_ = additive(mask, dtype).expand({sizes.batch, sizes.heads, sizes.queries, columns});
  }

  kernels::KeyRange seen(std::int64_t batch, std::int64_t query) const {
    const auto at = static_cast<std::size_t>(batch);
    kernels::KeyRange range{0, lengths_[at]};
    if (!causal_) return range;
    const std::int64_t last = starts_[at] + query;
    range.end = std::clamp<std::int64_t>(last + 1, 0, range.end);
    if (window_ > 0) range.begin = std::clamp<std::int64_t>(last + 1 - window_, 0, range.end);
    return range;
  }

  /// What is added to scores, [batch, heads, queries, keys] or fewer keys; none: nothing.
  const std::optional<Tensor>& added() const { return added_; }

  /// Adds the mask's numbers to the scores of a row.
  template <class T>
  void add_to(T* row, kernels::KeyRange range, std::int64_t batch, std::int64_t head,
              std::int64_t query) const {
    if (!added_) return;
    const Shape& strides = added_->strides();
    const T* numbers = static_cast<const T*>(added_->raw()) + batch * strides[0] +
                       head * strides[1] + query * strides[2];
    if (strides[3] == 1) {
      for (std::int64_t i = range.begin; i < range.end; ++i) row[i] += numbers[i];
    } else {
      for (std::int64_t i = range.begin; i < range.end; ++i) row[i] += numbers[i * strides[3]];
    }
  }

 private:
  bool causal_;
  std::int64_t window_;
  std::vector<std::int64_t> lengths_, starts_;
  std::optional<Tensor> added_;
};

float scale_of(const AttentionSizes& sizes, const MaskedAttentionOptions& options) {
  if (options.scale != 0.f) return options.scale;
  return sizes.head_dim > 0 ? 1.f / std::sqrt(static_cast<float>(sizes.head_dim)) : 1.f;
}

/// In one kernel, where that takes what is asked for.
std::optional<Tensor> in_one_kernel(const AttentionSizes& sizes,
                                    const MaskedAttentionOptions& options, const Tensor& q,
                                    const Tensor& k, const Tensor& v) {
  const bool is_empty = q.numel() == 0 || k.numel() == 0 || v.numel() == 0;
  if (!suits_dense_attention(q, k, v) || options.scores || options.softcap != 0.f || is_empty)
    return std::nullopt;
  const Mask mask(sizes, options, DType::f32);
  if (mask.added() && mask.added()->strides()[3] != 1) return std::nullopt;
  std::vector<kernels::KeyRange> seen;
  for (std::int64_t batch = 0; batch < sizes.batch; ++batch) {
    for (std::int64_t query = 0; query < sizes.queries; ++query)
      seen.push_back(mask.seen(batch, query));
  }
  kernels::DenseAttention attention;
  attention.scale = scale_of(sizes, options);
  attention.sink = options.sink;
  attention.blind = kernels::Blind::zero;
  attention.seen = seen.data();
  return dense_attention(q, k.transpose(2, 3), v, mask.added(), attention).contiguous();
}

/// Attention of one batch entry's block of queries after another.
template <class T>
class Blocks {
 public:
  Blocks(const AttentionSizes& sizes, const MaskedAttentionOptions& options)
      : sizes_(sizes), options_(options), mask_(sizes, options, dtype_of<T>) {
    scale_ = static_cast<T>(scale_of(sizes, options));
    output_ =
        Tensor::zeros({sizes.batch, sizes.heads, sizes.queries, sizes.value_dim}, dtype_of<T>);
    if (options.scores)
      scores_ = Tensor::empty({sizes.batch, sizes.heads, sizes.queries, sizes.keys}, dtype_of<T>);
  }

  AttentionResult run(const Tensor& q, const Tensor& k, const Tensor& v) {
    if (sizes_.batch * sizes_.heads * sizes_.queries == 0) return {output_, scores_};
    const std::int64_t row = std::max<std::int64_t>(sizes_.heads * sizes_.keys, 1);
    const std::int64_t block = std::clamp<std::int64_t>(kBlockScores / row, 1, sizes_.queries);
    for (std::int64_t batch = 0; batch < sizes_.batch; ++batch) {
      const Tensor keys = entry(k, batch);
      const Tensor values = entry(v, batch);
      for (std::int64_t first = 0; first < sizes_.queries; first += block)
        attend(batch, first, entry(q, batch).slice(1, first, first + block), keys, values);
    }
    return {output_, scores_};
  }

 private:
  static Tensor entry(const Tensor& x, std::int64_t batch) {
    return x.slice(0, batch, batch + 1).reshape({x.dim(1), x.dim(2), x.dim(3)}).cast(dtype_of<T>);
  }

  void attend(std::int64_t batch, std::int64_t first, const Tensor& q, const Tensor& k,
              const Tensor& v) {
    const std::int64_t count = q.dim(1);
    const std::int64_t rows = sizes_.heads / sizes_.kv_heads * count;  // of one kv head
    Tensor scores = matmul(q.reshape({sizes_.kv_heads, rows, sizes_.head_dim}), k.transpose(1, 2));
    std::vector<std::uint8_t> blind(static_cast<std::size_t>(sizes_.heads * count));
    finish_scores(scores, batch, first, count, blind);
    const Tensor probabilities = softmax_rows(scores, blind);
    if (options_.scores == ScoreStage::probabilities)
      keep(probabilities.data<T>().data(), batch, first, count);
    const Tensor y = matmul(probabilities, v);
    place(y.data<T>().data(), output_, sizes_.value_dim, batch, first, count);
  }

  void finish_scores(Tensor& scores, std::int64_t batch, std::int64_t first, std::int64_t count,
                     std::vector<std::uint8_t>& blind) {
    T* data = scores.mutable_data<T>().data();
    const std::int64_t keys = sizes_.keys;
    const std::int64_t grain = 1 + 8192 / (keys + 1);
    parallel_for(sizes_.heads * count, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        T* line = data + row * keys;
        const std::int64_t head = row / count;
        const std::int64_t query = first + row % count;
        for (std::int64_t i = 0; i < keys; ++i) line[i] *= scale_;
        keep_row(ScoreStage::scaled, line, batch, head, query);
        cap(line);
        keep_row(ScoreStage::capped, line, batch, head, query);
        const kernels::KeyRange range = mask_.seen(batch, query);
        mask_.add_to(line, range, batch, head, query);
        std::fill(line, line + range.begin, kMinusInfinity);
        std::fill(line + range.end, line + keys, kMinusInfinity);
        keep_row(ScoreStage::masked, line, batch, head, query);
        blind[static_cast<std::size_t>(row)] =
            std::all_of(line, line + keys, [](T score) { return score == kMinusInfinity; });
        if (blind[static_cast<std::size_t>(row)] != 0) std::fill(line, line + keys, T{0});
      }
    });
  }

  void cap(T* line) const {
    if (options_.softcap == 0.f) return;
    const T limit = static_cast<T>(options_.softcap);
    for (std::int64_t i = 0; i < sizes_.keys; ++i) line[i] = limit * std::tanh(line[i] / limit);
  }

  Tensor softmax_rows(const Tensor& scores, const std::vector<std::uint8_t>& blind) const {
    Tensor probabilities = options_.sink ? softmax_with_sink(scores) : softmax(scores, -1);
    T* data = probabilities.template mutable_data<T>().data();
    for (std::size_t row = 0; row < blind.size(); ++row) {
      T* line = data + static_cast<std::int64_t>(row) * sizes_.keys;
      if (blind[row] != 0) std::fill(line, line + sizes_.keys, T{0});
    }
    return probabilities;
  }

  Tensor softmax_with_sink(const Tensor& scores) const {
    Shape column = scores.shape();
    column[column.rank() - 1] = 1;
    const Tensor with_sink[] = {scores, Tensor::zeros(column, scores.dtype())};
    return softmax(concat(with_sink, -1), -1).slice(-1, 0, sizes_.keys).contiguous();
  }

  void keep_row(ScoreStage stage, const T* line, std::int64_t batch, std::int64_t head,
                std::int64_t query) {
    if (options_.scores != stage) return;
    std::copy(line, line + sizes_.keys,
              static_cast<T*>(scores_->mutable_raw()) +
                  ((batch * sizes_.heads + head) * sizes_.queries + query) * sizes_.keys);
  }

  void keep(const T* rows, std::int64_t batch, std::int64_t first, std::int64_t count) {
    place(rows, *scores_, sizes_.keys, batch, first, count);
  }

  // Rows [heads, count, size] into `whole` [batch, heads, queries, size].
  void place(const T* rows, Tensor& whole, std::int64_t size, std::int64_t batch,
             std::int64_t first, std::int64_t count) const {
    T* to = whole.mutable_data<T>().data() + batch * sizes_.heads * sizes_.queries * size;
    for (std::int64_t head = 0; head < sizes_.heads; ++head) {
      const T* from = rows + head * count * size;
      std::copy(from, from + count * size, to + (head * sizes_.queries + first) * size);
    }
  }

  static constexpr T kMinusInfinity = -std::numeric_limits<T>::infinity();

  AttentionSizes sizes_;
  const MaskedAttentionOptions& options_;
  Mask mask_;
  T scale_;
  Tensor output_;
  std::optional<Tensor> scores_;
};

}  // namespace

AttentionResult masked_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                 const MaskedAttentionOptions& options) {
  const AttentionSizes sizes = sizes_of(q, k, v);
  if (std::optional<Tensor> output = in_one_kernel(sizes, options, q, k, v))
    return {*std::move(output), {}};
  AttentionResult result = q.dtype() == DType::f64 ? Blocks<double>(sizes, options).run(q, k, v)
                                                   : Blocks<float>(sizes, options).run(q, k, v);
  result.output = result.output.cast(q.dtype());
  if (result.scores) result.scores = result.scores->cast(q.dtype());
  return result;
}

}  // namespace quern::ops
