#include "quern/tokenizer.h"

#include <algorithm>
#include <limits>
#include <span>

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

void Tokenizer::Impl::encode_part(std::string_view plain, bool parse_special, bool& at_start,
                                  tokenizer::Merger& merger, std::vector<TokenId>& ids) const {
  std::string normalized;
  if (!normalizer.empty()) {
    normalized = normalizer.apply(plain, at_start);
    plain = normalized;
  }
  const std::string_view parsed[] = {plain};
  for (const auto& part :
       normalized_special.split(plain, std::span(parsed).first(parse_special ? 1 : 0))) {
    if (part.id != kNoToken) {
      ids.push_back(part.id);
    } else {
      encode_plain(part.text, at_start, merger, ids);
    }
    at_start = false;
  }
}

std::vector<TokenId> Tokenizer::Impl::encode(std::string_view text,
                                             std::span<const std::string_view> parsed,
                                             bool add_special) const {
  constexpr auto kMaxBytes = std::size_t{std::numeric_limits<std::int32_t>::max()} / 4;
  require(text.size() <= kMaxBytes, "encode: expected a text of at most {} bytes, got {}",
          kMaxBytes, text.size());
  std::vector<TokenId> ids;
  if (add_special) ids = prefix;
  tokenizer::Merger merger;
  bool at_start = true;
  for (const auto& part : special.split(text, parsed)) {
    if (part.id != kNoToken) {
      ids.push_back(part.id);
      at_start = false;
      continue;
    }
    const char* begin = part.text.data();
    const char* end = begin + part.text.size();
    while (!parsed.empty() && parsed[0].data() + parsed[0].size() <= begin)
      parsed = parsed.subspan(1);
    const bool touches = !parsed.empty() && parsed[0].data() < end;
    const bool inside =
        touches && parsed[0].data() <= begin && parsed[0].data() + parsed[0].size() >= end;
    if (!touches || inside) {
      encode_part(part.text, inside, at_start, merger, ids);
      continue;
    }
    // Normalising loses where a piece ends, so its special tokens are taken out before.
    for (const auto& inner : normalized_special.split(part.text, parsed)) {
      if (inner.id == kNoToken) {
        encode_part(inner.text, false, at_start, merger, ids);
      } else {
        ids.push_back(inner.id);
        at_start = false;
      }
    }
  }
  if (add_special) ids.insert(ids.end(), suffix.begin(), suffix.end());
  return ids;
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const std::string_view parsed[] = {text};
  return impl_->encode(text, std::span(parsed).first(options.parse_special ? 1 : 0),
                       options.add_special);
}

std::vector<TokenId> Tokenizer::encode(std::span<const TextPiece> pieces, bool add_special) const {
  std::string text;
  for (const TextPiece& piece : pieces) text += piece.text;
  std::vector<std::string_view> parsed;
  std::string_view rest = text;
  for (const TextPiece& piece : pieces) {
    if (piece.parse_special && !piece.text.empty())
      parsed.push_back(rest.substr(0, piece.text.size()));
    rest.remove_prefix(piece.text.size());
  }
  return impl_->encode(text, parsed, add_special);
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

std::string_view Tokenizer::chat_template(std::string_view name) const noexcept {
  const auto found = impl_->chat_templates.find(name);
  return found == impl_->chat_templates.end() ? std::string_view() : found->second;
}

std::string_view Tokenizer::kind() const noexcept { return impl_->kind; }

}  // namespace quern
