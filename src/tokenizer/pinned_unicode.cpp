#include "tokenizer/pinned_unicode.h"

#include <algorithm>
#include <array>

#include "tokenizer/utf8.h"

namespace quern::tokenizer {
namespace {

/// Of three bytes and of four, in the order of PinnedRange::Kind. No tokenizer's pattern names one.
struct StandIn {
  std::string_view three, four;
};
constexpr StandIn kUnassigned = {"\ufffe", "\U0001fffe"};
constexpr std::array<StandIn, 15> kStandIns = {{
    {"\u2060", "\U000e0001"},  // cf
    kUnassigned,               // cn
    {"\u3400", "\U00020000"},  // han
    {"\ua791", "\U0001d41a"},  // ll
    {"\u1d2c", "\U00016b40"},  // lm
    {"\u0904", "\U00010000"},  // lo
    {"\ua790", "\U0001d400"},  // lu
    {"\u0903", "\U00011000"},  // mc
    {"\u20d0", "\U000101fd"},  // mn
    {"\u0966", "\U000104a0"},  // nd
    {"\u2460", "\U00010107"},  // no
    {"\u2010", "\U00010ead"},  // pd
    {"\u2016", "\U00010100"},  // po
    {"\u2044", "\U0001d6c1"},  // sm
    {"\u2300", "\U0001d100"},  // so
}};

const PinnedRange* find_range(char32_t code) noexcept {
  const auto ranges = pinned_ranges();
  const auto at = std::ranges::lower_bound(ranges, code, {}, &PinnedRange::last);
  return at != ranges.end() && at->first <= code ? &*at : nullptr;
}

}  // namespace

bool is_newly_assigned(char32_t code) noexcept {
  const PinnedRange* const range = find_range(code);
  return range != nullptr &&
         (range->kind == PinnedRange::Kind::cn || range->since == UnicodeEdition::v16);
}

std::string_view pinned(std::string_view text, UnicodeEdition edition, std::string& buffer) {
  constexpr unsigned char kFirstLead = 0xe0;  // of the least character in the ranges
  bool copied = false;
  for (std::size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < kFirstLead) {
      ++i;
      continue;
    }
    const Utf8Char character = utf8_at(text, i);
    if (const PinnedRange* range = find_range(character.code)) {
      if (!copied) buffer = text;
      copied = true;
      const bool known = range->since <= edition;
      const StandIn& other = known ? kStandIns[static_cast<std::size_t>(range->kind)] : kUnassigned;
      buffer.replace(i, character.size, character.size == 3 ? other.three : other.four);
    }
    i += character.size;
  }
  return copied ? std::string_view(buffer) : text;
}

}  // namespace quern::tokenizer
