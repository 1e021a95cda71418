#include "quern/tokenizer.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "tokenizer/impl.h"

namespace quern {
namespace {

using tokenizer::kNoToken;
using tokenizer::TokenKind;

constexpr std::string_view kTurnEnds[] = {
    "<|im_end|>",    "<|eot_id|>",      "<|eom_id|>",      "<|end|>",
    "<end_of_turn>", "<|endoftext|>",   "<|end_of_text|>", "<|eot|>",
    "<EOT>",         "<|end_of_turn|>", "<turn|>",
};

void check_id(const tokenizer::Vocabulary& vocabulary, TokenId id) {
  require(vocabulary.contains(id), "tokenizer: token {} is outside the vocabulary of {}", id,
          vocabulary.size());
}

}  // namespace

bool Tokenizer::Impl::is_special(TokenId id) const noexcept {
  const TokenKind token_kind = vocabulary.kind(id);
  return token_kind == TokenKind::control || token_kind == TokenKind::unknown;
}

void Tokenizer::Impl::collect_stop_tokens(const std::vector<TokenId>& more) {
  if (eos) stop_tokens.push_back(*eos);
  stop_tokens.insert(stop_tokens.end(), more.begin(), more.end());
  for (const std::string_view text : kTurnEnds) {
    const TokenId id = vocabulary.find(text);
    if (id != kNoToken && vocabulary.kind(id) == TokenKind::control) stop_tokens.push_back(id);
  }
  std::sort(stop_tokens.begin(), stop_tokens.end());
  stop_tokens.erase(std::unique(stop_tokens.begin(), stop_tokens.end()), stop_tokens.end());
}

void Tokenizer::Impl::encode_plain(std::string_view text, bool at_start, tokenizer::Merger& merger,
                                   std::vector<TokenId>& ids) const {
  std::string marked;
  if (!word_marks.empty()) {
    marked = word_marks.apply(text, at_start);
    text = marked;
  }
  for (const std::string_view word : pre_tokenizer.split(text)) model->encode(word, merger, ids);
}

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

std::vector<TokenId> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  constexpr auto kMaxBytes = std::size_t{std::numeric_limits<std::int32_t>::max()} / 4;
  require(text.size() <= kMaxBytes, "encode: expected a text of at most {} bytes, got {}",
          kMaxBytes, text.size());
  std::vector<TokenId> ids;
  if (options.add_special) ids = impl_->prefix;
  tokenizer::Merger merger;
  bool at_start = true;
  for (const auto& part : impl_->special.split(text, options.parse_special)) {
    if (part.id != kNoToken) {
      ids.push_back(part.id);
      at_start = false;
      continue;
    }
    std::string normalized;
    std::string_view plain = part.text;
    if (!impl_->normalizer.empty()) {
      normalized = impl_->normalizer.apply(plain, at_start);
      plain = normalized;
    }
    for (const auto& inner : impl_->normalized_special.split(plain, options.parse_special)) {
      if (inner.id != kNoToken) {
        ids.push_back(inner.id);
      } else {
        impl_->encode_plain(inner.text, at_start, merger, ids);
      }
      at_start = false;
    }
  }
  if (options.add_special) ids.insert(ids.end(), impl_->suffix.begin(), impl_->suffix.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool keep_special) const {
  std::string text;
  for (const TokenId id : ids) {
    check_id(impl_->vocabulary, id);
    if (keep_special || !impl_->is_special(id)) text += impl_->pieces[id];
  }
  if (impl_->strip_leading_space && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

std::string Tokenizer::piece(TokenId id) const {
  check_id(impl_->vocabulary, id);
  return impl_->is_special(id) ? std::string() : std::string(impl_->pieces[id]);
}

std::int64_t Tokenizer::vocab_size() const noexcept { return impl_->vocabulary.size(); }

std::optional<TokenId> Tokenizer::find(std::string_view token) const {
  const TokenId id = impl_->vocabulary.find(token);
  return id == kNoToken ? std::nullopt : std::optional(id);
}

bool Tokenizer::is_special(TokenId id) const {
  check_id(impl_->vocabulary, id);
  return impl_->is_special(id);
}

std::optional<TokenId> Tokenizer::bos() const noexcept { return impl_->bos; }
std::optional<TokenId> Tokenizer::eos() const noexcept { return impl_->eos; }

std::span<const TokenId> Tokenizer::stop_tokens() const noexcept { return impl_->stop_tokens; }

std::string_view Tokenizer::chat_template() const noexcept { return impl_->chat_template; }

std::string_view Tokenizer::kind() const noexcept { return impl_->kind; }

}  // namespace quern
