#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/regex.h"

namespace quern::tokenizer {

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };

struct Lowercase {};

/// Puts a text in front.
struct Prepend {
  std::string text;
  bool unless_there = false;   ///< not where the text already starts with it
  bool only_at_start = false;  ///< not after a special token
};

struct ReplaceText {
  std::string from;  ///< not empty
  std::string to;
};

struct ReplaceMatches {
  Regex regex;
  std::string to;
};

using NormalizerStep = std::variant<UnicodeForm, Lowercase, Prepend, ReplaceText, ReplaceMatches>;

/// What happens to a text before it is split. Bytes that are not UTF-8 pass unchanged.
class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}

  bool empty() const noexcept { return steps_.empty(); }
  /// `at_start` says that nothing stands before `text`. Empty text stays empty. Throws: as
  /// RegexSearch; `unsupported` where the text grows out of all proportion.
  std::string apply(std::string_view text, bool at_start) const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace quern::tokenizer
