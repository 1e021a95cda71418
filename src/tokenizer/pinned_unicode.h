#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace quern::tokenizer {

/// The Unicode version by which a reference knows characters: llama.cpp 15.1, Hugging Face's 16.
enum class UnicodeEdition : std::uint8_t { v14, v15, v16 };

/// Characters that were assigned, or became another category, in `since`; and U+180E, which PCRE2
/// takes as white space though Unicode has not since 6.3.
struct PinnedRange {
  /// Their general category, or its part in the Han script; `cn` is what no reference has yet, of
  /// Unicode 17.
  enum class Kind : std::uint8_t { cf, cn, han, ll, lm, lo, lu, mc, mn, nd, no, pd, po, sm, so };

  char32_t first, last;
  Kind kind;
  UnicodeEdition since;
};

/// In ascending order.
std::span<const PinnedRange> pinned_ranges() noexcept;

/// Whether Unicode has had `code` since 16 only: no reference composes or decomposes it.
bool is_newly_assigned(char32_t code) noexcept;

/// What patterns are matched on, so that the same characters are letters whatever version PCRE2
/// knows: `text`, where each character of those ranges is another of the same category
/// that every version has, or of none where `edition` has not got it. As long as `text`, byte for
/// byte. Kept in `buffer` where it is another text.
std::string_view pinned(std::string_view text, UnicodeEdition edition, std::string& buffer);

}  // namespace quern::tokenizer
