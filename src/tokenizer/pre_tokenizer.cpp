#include "tokenizer/pre_tokenizer.h"

#include "tokenizer/utf8.h"

namespace quern::tokenizer {
namespace {

bool is_stray_byte(std::string_view piece) noexcept {
  return piece.size() == 1 && static_cast<unsigned char>(piece[0]) >= 0x80;
}

}  // namespace

PreTokenizer::PreTokenizer(const std::vector<SplitRule>& rules) {
  steps_.reserve(rules.size());
  for (const SplitRule& rule : rules) {
    steps_.push_back({Regex(rule.pattern), rule.keep_matches, rule.keep_gaps});
  }
}

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  std::vector<std::string_view> pieces;
  if (text.empty()) return pieces;
  if (steps_.empty()) return {text};
  const auto add = [&](std::string_view piece) { pieces.push_back(piece); };
  for_each_utf8_run(text, add, add);

  std::vector<std::string_view> before;
  for (const Step& step : steps_) {
    before.swap(pieces);
    pieces.clear();
    RegexSearch search(step.regex);
    for (const std::string_view piece : before) {
      if (is_stray_byte(piece)) {
        pieces.push_back(piece);
        continue;
      }
      std::size_t done = 0;
      const auto add_gap = [&](std::size_t end) {
        if (step.keep_gaps && end > done) pieces.push_back(piece.substr(done, end - done));
      };
      for (std::size_t from = 0; from < piece.size();) {
        const auto match = search.find(piece, from);
        if (!match) break;
        if (match->end <= match->begin) {
          if (match->begin >= piece.size()) break;
          from = match->begin + utf8_at(piece, match->begin).size;
          continue;
        }
        add_gap(match->begin);
        if (step.keep_matches) {
          pieces.push_back(piece.substr(match->begin, match->end - match->begin));
        }
        from = done = match->end;
      }
      add_gap(piece.size());
    }
  }
  return pieces;
}

}  // namespace quern::tokenizer
