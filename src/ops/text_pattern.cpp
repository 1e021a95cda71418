#include "ops/text_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <new>
#include <vector>

#include "core/error.h"
#include "core/format.h"

namespace quern::ops {
namespace {

constexpr std::size_t kMaxPattern = 16 * 1024;
// Places of a pattern that a text can be in at once: each character takes at most their square of
// steps.
constexpr std::size_t kFewestAtOnce = 64;
constexpr std::size_t kMostAtOnce = 2048;
constexpr double kMostSteps = 1e10;
constexpr std::size_t kIntsOfPlace = 6;
constexpr std::uint32_t kHeapLimitKib = 16 * 1024;
constexpr std::uint32_t kCallLimit = 1000;

constexpr std::string_view kNotRe2[] = {"(?=", "(?!", "(?<=", "(?<!", "(?>",  "(?|", "(?R",
                                        "(?&", "(?(", "(?#",  "(?C",  "(?P>", "(*",  "\\K",
                                        "\\G", "\\X", "\\R",  "\\h",  "\\H",  "\\N", "\\g",
                                        "\\k", "\\v", "*+",   "++",   "?+",   "}+"};

std::string message_of(int error) {
  std::array<unsigned char, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

std::string_view excerpt(std::string_view pattern) { return pattern.substr(0, 80); }

/// Behind the class of characters that starts at `begin`.
std::size_t end_of_class(std::string_view pattern, std::size_t begin) {
  std::size_t i = begin + 1;
  if (i < pattern.size() && pattern[i] == '^') ++i;
  if (i < pattern.size() && pattern[i] == ']') ++i;
  while (i < pattern.size() && pattern[i] != ']') {
    const bool named = pattern.substr(i).starts_with("[:");
    const std::size_t end = named ? pattern.find(":]", i) : std::string_view::npos;
    i = end != std::string_view::npos ? end + 2 : i + (pattern[i] == '\\' ? 2 : 1);
  }
  return i + 1;
}

/// Whether `rest` begins with a call of a group by its number: (?1), (?+1), (?-1).
bool is_call(std::string_view rest) {
  if (!rest.starts_with("(?")) return false;
  rest.remove_prefix(rest.size() > 2 && (rest[2] == '+' || rest[2] == '-') ? 3 : 2);
  return !rest.empty() && rest[0] >= '0' && rest[0] <= '9';
}

/// Throws where the pattern has a construct that RE2 has not.
void refuse_other_dialects(std::string_view pattern) {
  for (std::size_t i = 0; i < pattern.size();) {
    const std::string_view rest = pattern.substr(i);
    const bool foreign = is_call(rest) || std::ranges::any_of(kNotRe2, [&](auto each) {
                           return rest.starts_with(each);
                         });
    if (foreign) {
      fail(ErrorCode::unsupported, "regex_full_match: pattern \"{}\", byte {}: not RE2's syntax",
           excerpt(pattern), i);
    }
    if (rest.starts_with("\\Q")) {
      i = std::min(pattern.find("\\E", i), pattern.size());
    } else if (rest[0] == '[') {
      i = end_of_class(pattern, i);
    } else {
      i += rest[0] == '\\' ? 2 : 1;
    }
  }
}

template <class Object, void (*release)(Object*)>
std::unique_ptr<Object, decltype(release)> owned(Object* object) {
  if (object == nullptr) throw std::bad_alloc();
  return {object, release};
}

}  // namespace

TextPattern::TextPattern(std::string_view pattern) : pattern_(pattern) {
  if (pattern.size() > kMaxPattern)
    fail(ErrorCode::unsupported, "regex_full_match: a pattern of {} bytes; at most {} are taken",
         pattern.size(), kMaxPattern);
  refuse_other_dialects(pattern);
  const auto context = owned<pcre2_compile_context, pcre2_compile_context_free>(
      pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  std::size_t offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | PCRE2_ANCHORED |
                        PCRE2_ENDANCHORED | PCRE2_NO_AUTO_POSSESS | PCRE2_NO_START_OPTIMIZE,
                    &error, &offset, context.get());
  if (code == nullptr) {
    fail(ErrorCode::unsupported, "regex_full_match: pattern \"{}\", byte {}: {}", excerpt(pattern),
         offset, message_of(error));
  }
  code_ = std::shared_ptr<const void>(
      code, [](void* pointer) { pcre2_code_free(static_cast<pcre2_code*>(pointer)); });
  std::uint32_t references = 0;
  pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &references);
  if (references > 0)
    fail(ErrorCode::unsupported, "regex_full_match: pattern \"{}\" refers back, which RE2 cannot",
         excerpt(pattern));
}

bool TextPattern::matches(std::string_view text) const {
  const auto data =
      owned<pcre2_match_data, pcre2_match_data_free>(pcre2_match_data_create(1, nullptr));
  const auto context =
      owned<pcre2_match_context, pcre2_match_context_free>(pcre2_match_context_create(nullptr));
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);
  pcre2_set_match_limit(context.get(), kCallLimit);
  const double affordable = std::sqrt(kMostSteps / static_cast<double>(text.size() + 1));
  const auto places = std::clamp(static_cast<std::size_t>(affordable), kFewestAtOnce, kMostAtOnce);
  std::vector<int> workspace(kIntsOfPlace * places);
  // Follows all places at once, so there is nothing to try again, and gives the longest match.
  const int found = pcre2_dfa_match(static_cast<const pcre2_code*>(code_.get()),
                                    reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                                    data.get(), context.get(), workspace.data(), workspace.size());
  if (found >= 0) return pcre2_get_ovector_pointer(data.get())[1] == text.size();
  const bool malformed = found <= PCRE2_ERROR_UTF8_ERR1 && found >= PCRE2_ERROR_UTF8_ERR21;
  if (found == PCRE2_ERROR_NOMATCH || malformed) return false;
  fail(ErrorCode::unsupported, "regex_full_match: pattern \"{}\" on a text of {} bytes: {}",
       excerpt(pattern_), text.size(), message_of(found));
}

Tensor TextPattern::match(const Tensor& x) const {
  require(x.dtype() == DType::string, "regex_full_match: expected strings, got {}", x.dtype());
  const Tensor src = x.contiguous();
  Tensor found = Tensor::empty(x.shape(), DType::boolean);
  std::ranges::transform(src.data<std::string>(), found.mutable_data<bool>().begin(),
                         [this](const std::string& text) { return matches(text); });
  return found;
}

}  // namespace quern::ops
