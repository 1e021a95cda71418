#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/export.h"
#include "quern/tensor.h"

/// Tensors of strings, UTF-8. Bytes that are not UTF-8 stay as they are.
namespace quern::ops {

/// Each string of a followed by that of b; they broadcast.
QUERN_API Tensor string_concat(const Tensor& a, const Tensor& b);

struct StringSplitOptions {
  std::string delimiter{};       ///< empty: runs of ASCII white space, and none at either end
  std::int64_t max_splits = -1;  ///< what is behind the last of them stays whole; -1: no bound
};

struct StringPieces {
  Tensor pieces;  ///< [x..., the largest count], filled up with empty strings
  Tensor counts;  ///< i64 of x's shape
};

QUERN_API StringPieces string_split(const Tensor& x, const StringSplitOptions& options = {});

enum class LetterCase { lower, upper };

/// Letters changed one by one, by Unicode's simple mapping and no language's rules.
QUERN_API Tensor change_case(const Tensor& x, LetterCase to);

/// The strings of x [n] that are not one of `words`. With `ignore_case`, strings are compared in
/// lower case.
QUERN_API Tensor remove_words(const Tensor& x, std::span<const std::string> words,
                              bool ignore_case = false);

/// bool: whether all of a string matches `pattern`, in RE2's syntax: classes such as \w are of
/// ASCII, there are neither references back nor assertions around. Strings that are not UTF-8 match
/// nothing. Throws: `unsupported` for a pattern that is malformed, has what RE2 has not, or is too
/// large; and for a long string on which repetitions within repetitions would take ages.
QUERN_API Tensor regex_full_match(const Tensor& x, std::string_view pattern);

/// Sequences of tokens to count, by length: `grams` holds all of them, one after another, first
/// those of one token from starts[0] on, then those of two from starts[1] on, ...
struct NgramVocabulary {
  Tensor grams;                      ///< [n] of strings, i32 or i64
  std::vector<std::int64_t> starts;  ///< ascending places in `grams`
  std::vector<std::int64_t> places;  ///< of each gram's count in a result
};

struct NgramOptions {
  std::int64_t min_length = 1;
  std::int64_t max_length = 1;
  std::int64_t max_skips = 0;  ///< tokens left out, 0 to so many, between two tokens of a gram
};

/// How often each gram is in a row: x [n] -> f32 [places], or [rows, n] -> [rows, places], where
/// `places` is the largest of the vocabulary's and 1.
QUERN_API Tensor count_ngrams(const Tensor& x, const NgramVocabulary& vocabulary,
                              const NgramOptions& options = {});

}  // namespace quern::ops
