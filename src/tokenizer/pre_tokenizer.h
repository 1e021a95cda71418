#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pinned_unicode.h"
#include "tokenizer/regex.h"

namespace quern::tokenizer {

/// Cuts a text before and after the matches of a pattern, or on one side of them only, and keeps
/// the matches, what is between them, or both.
struct SplitRule {
  std::string pattern;
  bool cut_before = true;
  bool cut_after = true;
  bool keep_matches = true;  ///< these two: only where both sides are cut
  bool keep_gaps = true;
  bool on_bytes = false;  ///< matched on the characters that byte-level vocabularies write bytes as
};

/// Splits a text into words, which merges never cross: one rule after another, each on every piece
/// that the one before left. Without rules the whole text is one word.
class PreTokenizer {
 public:
  PreTokenizer() = default;
  /// Throws: as Regex.
  PreTokenizer(const std::vector<SplitRule>& rules, UnicodeEdition edition);

  /// The words, as views of `text`, in order. A byte that is not UTF-8 is a word by itself where
  /// there are rules. Throws: as RegexSearch.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Step {
    SplitRule rule;
    Regex regex;
    void split(RegexSearch& search, std::string_view piece,
               std::vector<std::string_view>& pieces) const;
    void split_bytes(RegexSearch& search, std::string_view piece,
                     std::vector<std::string_view>& pieces) const;
  };
  std::vector<std::string_view> split_pinned(std::string_view text) const;

  std::vector<Step> steps_;
  UnicodeEdition edition_ = UnicodeEdition::v16;
};

/// The pattern that splits words in GPT-2.
std::string_view gpt2_pattern() noexcept;

/// What the name in a GGUF file's `tokenizer.ggml.pre` stands for.
struct NamedPreTokenizer {
  std::vector<SplitRule> rules;
  bool whole_words = false;  ///< a word that is a token is not merged from its bytes
  bool add_bos = false;      ///< where the file does not say
  bool nfc = false;          ///< text is normalised to NFC first
};

/// Throws: `unsupported`, listing the names that are known.
NamedPreTokenizer named_pre_tokenizer(std::string_view name);

}  // namespace quern::tokenizer
