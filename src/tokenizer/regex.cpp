#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <new>

#include "core/error.h"
#include "tokenizer/excerpt.h"
#include "tokenizer/utf8.h"

namespace quern::tokenizer {
namespace {

// Steps from one position: a run of white space may take one for each of its bytes.
constexpr std::uint32_t kStepsBesidesLength = 100'000;
constexpr std::uint32_t kStepsForEachByte = 4;
constexpr std::size_t kLongest = std::size_t{1} << 29;
constexpr std::uint32_t kHeapLimitKib = 64 * 1024;
constexpr std::size_t kMaxPattern = 64 * 1024;

std::string message_of(int error) {
  std::array<unsigned char, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

/// Tries every start of a run of white space again, n^2 steps; this gives the same matches in n.
std::string_view without_retries(std::string_view pattern) {
  return pattern == R"(\s+$)" ? R"((?<!\s)\s+$)" : pattern;
}

void refuse_other_dialects(std::string_view pattern) {
  for (const std::string_view construct : {"&&", "\\h", "\\H", "(*"}) {
    if (pattern.find(construct) != std::string_view::npos) {
      fail(ErrorCode::unsupported, "tokenizer: \"{}\" in the pattern \"{}\" is not supported",
           construct, excerpt(pattern));
    }
  }
}

}  // namespace

Regex::Regex(std::string_view pattern) : pattern_(pattern) {
  bool valid = pattern.size() <= kMaxPattern;
  if (valid)
    for_each_utf8_run(
        pattern, [](auto) {}, [&](auto) { valid = false; });
  if (!valid) {
    fail(ErrorCode::unsupported, "tokenizer: a pattern must be UTF-8 of at most {} bytes",
         kMaxPattern);
  }
  refuse_other_dialects(pattern);
  const std::string_view source = without_retries(pattern);
  int error = 0;
  std::size_t offset = 0;
  pcre2_code* code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    fail(ErrorCode::unsupported, "tokenizer: pattern \"{}\", byte {}: {}", excerpt(pattern), offset,
         message_of(error));
  }
  code_ = std::shared_ptr<const void>(
      code, [](void* pointer) { pcre2_code_free(static_cast<pcre2_code*>(pointer)); });
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it fails, the interpreter is used
}

RegexSearch::RegexSearch(const Regex& regex)
    : regex_(regex),
      match_data_(pcre2_match_data_create(1, nullptr),
                  [](pcre2_match_data* data) { pcre2_match_data_free(data); }),
      context_(pcre2_match_context_create(nullptr),
               [](pcre2_match_context* context) { pcre2_match_context_free(context); }) {
  if (!match_data_ || !context_) throw std::bad_alloc();
  pcre2_set_heap_limit(static_cast<pcre2_match_context*>(context_.get()), kHeapLimitKib);
}

std::optional<Range> RegexSearch::find(std::string_view text, std::size_t from) {
  const auto* code = static_cast<const pcre2_code*>(regex_.code_.get());
  auto* data = static_cast<pcre2_match_data*>(match_data_.get());
  auto* context = static_cast<pcre2_match_context*>(context_.get());
  const auto length = static_cast<std::uint32_t>(std::min(text.size() - from, kLongest));
  pcre2_set_match_limit(context, kStepsBesidesLength + kStepsForEachByte * length);
  const auto match = [&](std::uint32_t options) {
    return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, options,
                       data, context);
  };
  int found = match(PCRE2_NO_UTF_CHECK);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (found < 0) {
    fail(ErrorCode::unsupported, "tokenizer: pattern \"{}\" on a text of {} bytes, byte {}: {}",
         excerpt(regex_.pattern()), text.size(), from, message_of(found));
  }
  const std::size_t* offsets = pcre2_get_ovector_pointer(data);
  return Range{offsets[0], offsets[1]};
}

}  // namespace quern::tokenizer
