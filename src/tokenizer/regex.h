#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace quern::tokenizer {

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// A compiled Unicode regular expression (PCRE2, with JIT where the machine has it): `\s`, `\w` and
/// case go by Unicode, `^` and `$` also match at line ends, as in the patterns of tokenizer.json.
/// Immutable; safe to share between threads.
class Regex {
 public:
  /// Throws: `unsupported` for what PCRE2 refuses or reads differently than those patterns mean.
  explicit Regex(std::string_view pattern);

  const std::string& pattern() const noexcept { return pattern_; }

 private:
  friend class RegexSearch;
  std::string pattern_;
  std::shared_ptr<const void> code_;
};

/// Finds the matches of a Regex in one text after another. Not for several threads.
class RegexSearch {
 public:
  explicit RegexSearch(const Regex& regex);

  /// The first match in `text`, which must be valid UTF-8, at or after `from`. The steps from one
  /// position are bounded. Throws: `unsupported` where they are not enough.
  std::optional<Range> find(std::string_view text, std::size_t from);

 private:
  const Regex& regex_;
  std::shared_ptr<void> match_data_;
  std::shared_ptr<void> context_;
};

}  // namespace quern::tokenizer
