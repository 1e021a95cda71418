#include "ops/ngram_table.h"

#include <algorithm>

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "quern/ops/tabular.h"

namespace quern::ops {
namespace {

void require_tokens(const Tensor& x) {
  if (x.dtype() != DType::string && x.dtype() != DType::i32 && x.dtype() != DType::i64)
    fail(ErrorCode::unsupported, "count_ngrams: dtype {} is not supported", x.dtype());
}

/// Strings as they are, integers as i64.
Tensor comparable(const Tensor& x) {
  require_tokens(x);
  return x.dtype() == DType::string ? x : x.cast(DType::i64);
}

std::int64_t begin_of(const NgramVocabulary& vocabulary, std::size_t length) {
  return length <= vocabulary.starts.size() ? vocabulary.starts[length - 1]
                                            : vocabulary.grams.numel();
}

}  // namespace

std::size_t NgramTable::EdgeHash::operator()(const Edge& edge) const noexcept {
  const auto mixed = static_cast<std::uint64_t>(edge.node) * 0x9e3779b97f4a7c15u +
                     static_cast<std::uint64_t>(edge.token);
  return static_cast<std::size_t>((mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9u);
}

NgramTable::NgramTable(const NgramVocabulary& vocabulary, const NgramOptions& options)
    : options_(options), tokens_(comparable(vocabulary.grams)), place_{-1} {
  require(options.min_length >= 1 && options.min_length <= options.max_length,
          "count_ngrams: lengths {} to {}", options.min_length, options.max_length);
  require(options.max_skips >= 0, "count_ngrams: {} skips", options.max_skips);
  require(tokens_.rank() == 1, "count_ngrams: expected grams of rank 1, got {}", tokens_.shape());
  const Tensor ids = find_positions(tokens_, tokens_);
  ids_.assign(ids.data<std::int64_t>().begin(), ids.data<std::int64_t>().end());
  for (const std::int64_t place : vocabulary.places) {
    require(place >= 0 && place < INT32_MAX, "count_ngrams: place {}", place);
    size_ = std::max(size_, place + 1);
  }
  std::vector<std::int64_t> left(vocabulary.places.rbegin(), vocabulary.places.rend());
  for (std::size_t length = 1; length <= vocabulary.starts.size(); ++length) {
    const std::int64_t begin = begin_of(vocabulary, length);
    const std::int64_t end = begin_of(vocabulary, length + 1);
    const auto size = static_cast<std::int64_t>(length);
    require(begin >= 0 && begin <= end && end <= tokens_.numel() && (end - begin) % size == 0,
            "count_ngrams: grams of {} tokens at {} to {} of {}", length, begin, end,
            tokens_.numel());
    const auto count = static_cast<std::size_t>((end - begin) / size);
    require(count <= left.size(), "count_ngrams: {} places are not enough",
            vocabulary.places.size());
    add_grams_of(size, begin, end, {left.rbegin(), left.rbegin() + static_cast<int>(count)});
    left.resize(left.size() - count);
  }
  require(left.empty(), "count_ngrams: {} places are too many", vocabulary.places.size());
}

void NgramTable::add_grams_of(std::int64_t length, std::int64_t begin, std::int64_t end,
                              const std::vector<std::int64_t>& places) {
  for (std::int64_t at = begin; at < end; at += length) {
    std::int64_t node = 0;
    for (std::int64_t i = at; i < at + length; ++i) {
      const auto fresh = static_cast<std::int64_t>(place_.size());
      const auto [edge, added] =
          next_.emplace(Edge{node, ids_[static_cast<std::size_t>(i)]}, fresh);
      if (added) place_.push_back(-1);
      node = edge->second;
    }
    place_[static_cast<std::size_t>(node)] =
        places[static_cast<std::size_t>((at - begin) / length)];
  }
}

void NgramTable::count_row(const std::int64_t* row, std::int64_t size, float* counts) const {
  const std::int64_t skips = std::min(options_.max_skips, size);
  for (std::int64_t step = 1; step <= skips + 1; ++step) {
    for (std::int64_t start = 0; start < size; ++start) {
      std::int64_t node = 0;
      std::int64_t length = 0;
      for (std::int64_t i = start; i < size && length < options_.max_length; i += step) {
        const auto edge = next_.find({node, row[i]});
        if (edge == next_.end()) break;
        node = edge->second;
        ++length;
        const std::int64_t place = place_[static_cast<std::size_t>(node)];
        const bool again = length == 1 && step > 1;  // a single token skips nothing
        if (place >= 0 && length >= options_.min_length && !again) counts[place] += 1.f;
      }
    }
  }
}

Tensor NgramTable::count(const Tensor& x) const {
  const Tensor rows = comparable(x);
  require(rows.rank() == 1 || rows.rank() == 2, "count_ngrams: expected rank 1 or 2, got {}",
          x.shape());
  require(rows.dtype() == tokens_.dtype(), "count_ngrams: x is {}, the vocabulary {}", x.dtype(),
          tokens_.dtype());
  Shape shape = x.shape();
  shape[shape.rank() - 1] = size_;
  const std::int64_t width = x.dim(-1);
  Tensor counts = Tensor::zeros(shape);
  if (width == 0 || size_ == 0) return counts;
  const Tensor ids = find_positions(rows, tokens_);
  const std::int64_t* src = ids.data<std::int64_t>().data();
  float* dst = counts.mutable_data<float>().data();
  parallel_for(x.numel() / width, 1 + 4096 / width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row)
      count_row(src + row * width, width, dst + row * size_);
  });
  return counts;
}

Tensor count_ngrams(const Tensor& x, const NgramVocabulary& vocabulary,
                    const NgramOptions& options) {
  return NgramTable(vocabulary, options).count(x);
}

}  // namespace quern::ops
