#include "tokenizer/normalizer.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "core/error.h"
#include "tokenizer/pinned_unicode.h"
#include "tokenizer/utf8.h"

namespace quern::tokenizer {
namespace {

// utf8proc sorts a run of combining marks in n^2 steps; real text has a handful.
constexpr int kMaxMarks = 64;

// Steps that lengthen a text further are a hostile file's: no text grows 18-fold under NFKC.
constexpr std::size_t kMaxGrowth = 64;

int flags_of(UnicodeForm form) {
  switch (form) {
    case UnicodeForm::nfc:
      return UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    case UnicodeForm::nfd:
      return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    case UnicodeForm::nfkc:
      return UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    case UnicodeForm::nfkd:
      break;
  }
  return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
}

void append_normalized(std::string& out, std::string_view run, int flags) {
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(run.data()),
                                             static_cast<utf8proc_ssize_t>(run.size()), &mapped,
                                             static_cast<utf8proc_option_t>(flags));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (size == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  if (size < 0) fail(ErrorCode::internal, "tokenizer: {}", utf8proc_errmsg(size));
  out.append(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
}

std::string to_form(std::string_view text, UnicodeForm form) {
  if (is_ascii(text)) return std::string(text);
  const int flags = flags_of(form);
  std::string out;
  out.reserve(text.size());
  const auto normalize_run = [&](std::string_view run) {
    std::size_t begin = 0;
    int marks = 0;
    for (std::size_t i = 0; i < run.size();) {
      const Utf8Char character = utf8_at(run, i);
      if (is_newly_assigned(character.code)) {
        append_normalized(out, run.substr(begin, i - begin), flags);
        out += run.substr(i, character.size);
        begin = i += character.size;
        marks = 0;
        continue;
      }
      const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(character.code));
      marks = property->combining_class == 0 ? 0 : marks + 1;
      if (marks > kMaxMarks) {
        append_normalized(out, run.substr(begin, i - begin), flags);
        begin = i;
        marks = 0;
      }
      i += character.size;
    }
    append_normalized(out, run.substr(begin), flags);
  };
  for_each_utf8_run(text, normalize_run, [&](std::string_view byte) { out += byte; });
  return out;
}

/// Capitals since Unicode 16 or 17 that the reference knows, whatever version utf8proc has.
struct NewCapitals {
  char32_t first, last, lower;
};
constexpr NewCapitals kNewCapitals[] = {
    {0x1c89, 0x1c89, 0x1c8a},    {0xa7cb, 0xa7cb, 0x264},  {0xa7cc, 0xa7cc, 0xa7cd},
    {0xa7ce, 0xa7ce, 0xa7cf},    {0xa7d2, 0xa7d2, 0xa7d3}, {0xa7d4, 0xa7d4, 0xa7d5},
    {0xa7da, 0xa7da, 0xa7db},    {0xa7dc, 0xa7dc, 0x19b},  {0x10d50, 0x10d65, 0x10d70},
    {0x16ea0, 0x16eb8, 0x16ebb},
};

char32_t lower_of(char32_t code) {
  for (const NewCapitals& capitals : kNewCapitals) {
    if (code >= capitals.first && code <= capitals.last)
      return capitals.lower + (code - capitals.first);
  }
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

std::string to_lowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char character = utf8_at(text, i);
    if (!character.valid) {
      out += text[i];
    } else if (character.code == 0x130) {  // the one letter whose lower case is two characters
      out += "i\u0307";
    } else {
      append_utf8(out, lower_of(character.code));
    }
    i += character.size;
  }
  return out;
}

std::string replace_text(std::string_view text, const ReplaceText& step) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t from = 0;;) {
    const std::size_t at = text.find(step.from, from);
    out += text.substr(from, at - from);
    if (at == std::string_view::npos) return out;
    out += step.to;
    from = at + step.from.size();
  }
}

std::string replace_matches(std::string_view text, const ReplaceMatches& step) {
  std::string out;
  out.reserve(text.size());
  RegexSearch search(step.regex);
  const auto replace_run = [&](std::string_view run) {
    std::size_t done = 0;
    std::string buffer;
    const std::string_view matched = pinned(run, UnicodeEdition::v16, buffer);
    for (std::size_t from = 0; from < run.size();) {
      const auto match = search.find(matched, from);
      if (!match || match->begin >= run.size()) break;
      if (match->end <= match->begin) {
        from = match->begin + utf8_at(run, match->begin).size;
        continue;
      }
      out += run.substr(done, match->begin - done);
      out += step.to;
      from = done = match->end;
    }
    out += run.substr(done);
  };
  for_each_utf8_run(text, replace_run, [&](std::string_view byte) { out += byte; });
  return out;
}

}  // namespace

std::string Normalizer::apply(std::string_view text, bool at_start) const {
  std::string result(text);
  for (const NormalizerStep& step : steps_) {
    if (result.empty()) break;
    if (const auto* form = std::get_if<UnicodeForm>(&step)) {
      result = to_form(result, *form);
    } else if (const auto* prepend = std::get_if<Prepend>(&step)) {
      const bool there = prepend->unless_there && result.starts_with(prepend->text);
      if (!there && (at_start || !prepend->only_at_start)) result.insert(0, prepend->text);
    } else if (const auto* replace = std::get_if<ReplaceText>(&step)) {
      result = replace_text(result, *replace);
    } else if (const auto* matches = std::get_if<ReplaceMatches>(&step)) {
      result = replace_matches(result, *matches);
    } else {
      result = to_lowercase(result);
    }
    if (result.size() / kMaxGrowth > text.size()) {
      fail(ErrorCode::unsupported, "tokenizer: normalisers lengthen a text of {} bytes to {}",
           text.size(), result.size());
    }
  }
  return result;
}

}  // namespace quern::tokenizer
