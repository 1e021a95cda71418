#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/vocabulary.h"

namespace quern::tokenizer {

/// Turns one word into tokens. Immutable; safe to share between threads.
class WordModel {
 public:
  virtual ~WordModel() = default;
  /// Appends the tokens of `word`, any bytes but none; `merger` lends its buffers.
  virtual void encode(std::string_view word, Merger& merger, std::vector<TokenId>& ids) const = 0;
};

/// What becomes of text that the vocabulary has no token for.
struct Fallback {
  /// Tokens of single bytes, or kNoToken.
  std::array<TokenId, 256> bytes = filled();
  TokenId unknown = kNoToken;  ///< for a character without byte tokens; without it, it is dropped
  bool fuse_unknown = false;   ///< unknown characters in a row are one token

  static constexpr std::array<TokenId, 256> filled() {
    std::array<TokenId, 256> ids{};
    ids.fill(kNoToken);
    return ids;
  }
};

/// BPE on bytes: every byte has a token, and ranked rules merge them (GPT-2 and later).
class ByteLevelBpe final : public WordModel {
 public:
  struct Options {
    std::string_view word_end = {};  ///< text that marks the last byte of a word: "</w>"
    bool whole_words = false;        ///< a word that is a token is not merged from its bytes
    Fallback fallback = {};          ///< only `unknown` and `fuse_unknown` are used
  };
  /// Rules are pairs of ids of `vocabulary`.
  ByteLevelBpe(const Vocabulary& vocabulary, MergeTable merges, const Options& options);

  void encode(std::string_view word, Merger& merger, std::vector<TokenId>& ids) const override;

 private:
  std::array<TokenId, 256> first_ids_;  // of a byte that is not the last of its word
  std::array<TokenId, 256> last_ids_;
  MergeTable merges_;
  TokenStrings words_;  // bytes of each normal token, where whole words are looked up
  Fallback fallback_;
};

/// BPE on characters, with byte tokens for those that the vocabulary lacks (SentencePiece). Merges
/// by ranked rules, or by the scores of the merged tokens, highest first.
class CharacterBpe final : public WordModel {
 public:
  /// `vocabulary` must outlive the model.
  CharacterBpe(const Vocabulary& vocabulary, MergeTable merges, const Fallback& fallback,
               bool whole_words);
  /// A score for each token; only normal, unused and user-defined tokens are merged to.
  CharacterBpe(const Vocabulary& vocabulary, std::vector<float> scores, const Fallback& fallback);

  void encode(std::string_view word, Merger& merger, std::vector<TokenId>& ids) const override;

 private:
  TokenId plain_token(std::string_view text) const noexcept;
  void append_fallback(std::string_view text, std::vector<TokenId>& ids) const;

  const Vocabulary& vocabulary_;
  MergeTable merges_;
  std::vector<std::uint32_t> ranks_;  // of each token; empty where rules decide
  Fallback fallback_;
  bool whole_words_ = false;
};

}  // namespace quern::tokenizer
