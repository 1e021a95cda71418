#include "tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"

namespace quern::tokenizer {
namespace {

bool is_stray_byte(std::string_view piece) noexcept {
  return piece.size() == 1 && static_cast<unsigned char>(piece[0]) >= 0x80;
}

}  // namespace

PreTokenizer::PreTokenizer(const std::vector<SplitRule>& rules, UnicodeEdition edition)
    : edition_(edition) {
  steps_.reserve(rules.size());
  for (const SplitRule& rule : rules) steps_.push_back({rule, Regex(rule.pattern)});
}

void PreTokenizer::Step::split(RegexSearch& search, std::string_view piece,
                               std::vector<std::string_view>& pieces) const {
  std::size_t done = 0;
  const auto cut = [&](std::size_t end, bool keep) {
    if (keep && end > done) pieces.push_back(piece.substr(done, end - done));
    done = end;
  };
  for (std::size_t from = 0; from < piece.size();) {
    const auto match = search.find(piece, from);
    if (!match || match->begin >= piece.size()) break;
    if (match->end <= match->begin) {
      from = match->begin + utf8_at(piece, match->begin).size;
      continue;
    }
    if (rule.cut_before) cut(match->begin, rule.keep_gaps);
    if (rule.cut_after) cut(match->end, rule.keep_matches);
    from = match->end;
  }
  cut(piece.size(), rule.keep_gaps);
}

/// As `split`, on the bytes that the piece's characters stand for.
void PreTokenizer::Step::split_bytes(RegexSearch& search, std::string_view piece,
                                     std::vector<std::string_view>& pieces) const {
  std::string written;
  std::vector<std::size_t> ends;
  for (const char byte : piece) {
    written += text_of_byte(static_cast<unsigned char>(byte));
    ends.push_back(written.size());
  }
  std::vector<std::string_view> parts;
  split(search, written, parts);
  const auto byte_at = [&](const char* place) {
    const auto offset = static_cast<std::size_t>(place - written.data());
    return static_cast<std::size_t>(std::ranges::upper_bound(ends, offset) - ends.begin());
  };
  for (const std::string_view part : parts) {
    const std::size_t begin = byte_at(part.data());
    pieces.push_back(piece.substr(begin, byte_at(part.data() + part.size()) - begin));
  }
}

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  if (text.empty()) return {};
  if (steps_.empty()) return {text};
  std::string buffer;
  const std::string_view matched = pinned(text, edition_, buffer);
  std::vector<std::string_view> pieces = split_pinned(matched);
  for (std::string_view& piece : pieces)
    piece = text.substr(static_cast<std::size_t>(piece.data() - matched.data()), piece.size());
  return pieces;
}

std::vector<std::string_view> PreTokenizer::split_pinned(std::string_view text) const {
  std::vector<std::string_view> pieces;
  const auto add = [&](std::string_view piece) { pieces.push_back(piece); };
  for_each_utf8_run(text, add, add);

  std::vector<std::string_view> before;
  for (const Step& step : steps_) {
    before.swap(pieces);
    pieces.clear();
    RegexSearch search(step.regex);
    for (const std::string_view piece : before) {
      if (step.rule.on_bytes) {
        step.split_bytes(search, piece, pieces);
      } else if (is_stray_byte(piece)) {
        pieces.push_back(piece);
      } else {
        step.split(search, piece, pieces);
      }
    }
  }
  return pieces;
}

}  // namespace quern::tokenizer
