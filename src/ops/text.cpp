#include "quern/ops/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/format.h"
#include "ops/text_pattern.h"

namespace quern::ops {
namespace {

constexpr std::string_view kSpace = " \t\n\v\f\r";

/// x without gaps.
Tensor strings(const char* operation, const Tensor& x) {
  require(x.dtype() == DType::string, "{}: expected strings, got {}", operation, x.dtype());
  return x.contiguous();
}

using Pieces = std::vector<std::string_view>;

bool may_split(const Pieces& pieces, std::int64_t max_splits) {
  return max_splits < 0 || static_cast<std::int64_t>(pieces.size()) < max_splits;
}

Pieces split_at_space(std::string_view text, std::int64_t max_splits) {
  Pieces pieces;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    if (text.empty()) return pieces;
    const std::size_t end =
        may_split(pieces, max_splits) ? text.find_first_of(kSpace) : std::string_view::npos;
    pieces.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end, text.size()));
  }
}

Pieces split_at(std::string_view text, std::string_view delimiter, std::int64_t max_splits) {
  Pieces pieces;
  while (may_split(pieces, max_splits)) {
    const std::size_t end = text.find(delimiter);
    if (end == std::string_view::npos) break;
    pieces.push_back(text.substr(0, end));
    text.remove_prefix(end + delimiter.size());
  }
  pieces.push_back(text);
  return pieces;
}

/// utf8proc makes a letter of its own of the sharp s, which has no capital in the simple mapping.
utf8proc_int32_t upper(utf8proc_int32_t code) {
  return code == 0xdf ? code : utf8proc_toupper(code);
}

std::string in_case(std::string_view text, LetterCase to) {
  std::string changed;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    utf8proc_int32_t code = 0;
    const auto size =
        utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &code);
    if (size <= 0) {
      changed += text[i++];
      continue;
    }
    utf8proc_uint8_t letter[4];
    const auto mapped = to == LetterCase::lower ? utf8proc_tolower(code) : upper(code);
    const auto length = utf8proc_encode_char(mapped, letter);
    changed.append(reinterpret_cast<const char*>(letter), static_cast<std::size_t>(length));
    i += static_cast<std::size_t>(size);
  }
  return changed;
}

}  // namespace

Tensor string_concat(const Tensor& a, const Tensor& b) {
  const Shape shape = broadcast_shapes(a.shape(), b.shape());
  const Tensor left = strings("string_concat", a.expand(shape));
  const Tensor right = strings("string_concat", b.expand(shape));
  Tensor joined = Tensor::empty(shape, DType::string);
  std::ranges::transform(left.data<std::string>(), right.data<std::string>(),
                         joined.mutable_data<std::string>().begin(), std::plus<>());
  return joined;
}

StringPieces string_split(const Tensor& x, const StringSplitOptions& options) {
  const Tensor src = strings("string_split", x);
  require(options.max_splits >= -1, "string_split: {} splits", options.max_splits);
  const std::string& delimiter = options.delimiter;
  std::vector<Pieces> found;
  std::size_t most = 0;
  for (const std::string& text : src.data<std::string>()) {
    found.push_back(delimiter.empty() ? split_at_space(text, options.max_splits)
                                      : split_at(text, delimiter, options.max_splits));
    most = std::max(most, found.back().size());
  }
  Shape shape = x.shape();
  shape.push_back(static_cast<std::int64_t>(most));
  StringPieces result{Tensor::empty(shape, DType::string), Tensor::empty(x.shape(), DType::i64)};
  auto piece = result.pieces.mutable_data<std::string>().begin();
  auto count = result.counts.mutable_data<std::int64_t>().begin();
  for (const Pieces& pieces : found) {
    std::ranges::copy(pieces, piece);
    piece += static_cast<std::ptrdiff_t>(most);
    *count++ = static_cast<std::int64_t>(pieces.size());
  }
  return result;
}

Tensor change_case(const Tensor& x, LetterCase to) {
  const Tensor src = strings("change_case", x);
  Tensor dst = Tensor::empty(x.shape(), DType::string);
  std::ranges::transform(src.data<std::string>(), dst.mutable_data<std::string>().begin(),
                         [to](const std::string& text) { return in_case(text, to); });
  return dst;
}

Tensor remove_words(const Tensor& x, std::span<const std::string> words, bool ignore_case) {
  const Tensor src = strings("remove_words", x);
  require(x.rank() == 1, "remove_words: expected rank 1, got {}", x.shape());
  const auto key = [ignore_case](const std::string& text) {
    return ignore_case ? in_case(text, LetterCase::lower) : text;
  };
  std::set<std::string> removed;
  for (const std::string& word : words) removed.insert(key(word));
  std::vector<std::string> kept;
  std::ranges::copy_if(src.data<std::string>(), std::back_inserter(kept),
                       [&](const std::string& text) { return !removed.contains(key(text)); });
  return Tensor::from(kept, {static_cast<std::int64_t>(kept.size())});
}

Tensor regex_full_match(const Tensor& x, std::string_view pattern) {
  return TextPattern(pattern).match(x);
}

}  // namespace quern::ops
