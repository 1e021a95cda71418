#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/export.h"

namespace quern {

using TokenId = std::int32_t;

/// How a text becomes token ids.
struct EncodeOptions {
  bool add_special = true;     ///< add what the model expects around a text (a BOS token, say)
  bool parse_special = false;  ///< take "<|im_start|>" in the text as the token; else as plain text
};

/// A part of a text that others wrote some of.
struct TextPiece {
  std::string text;
  bool parse_special = false;  ///< take "<|im_start|>" in the piece as the token
  bool operator==(const TextPiece&) const = default;
};

/// Text to token ids and back, as the model was trained: byte-level BPE or SentencePiece-style BPE.
///
/// Immutable after loading; copies share one vocabulary; safe to use from several threads.
class QUERN_API Tokenizer {
 public:
  /// Reads a Hugging Face tokenizer.json (or the folder that holds it, with tokenizer_config.json
  /// where present), or the vocabulary stored in a .gguf file.
  /// Throws: `not_found`, `corrupt_file`, `unsupported` with the name of what is not known.
  static Tokenizer load(const std::string& path);

  /// Any bytes are accepted; invalid UTF-8 is encoded byte by byte where the vocabulary has bytes.
  /// What it has no token for becomes its unknown token, or nothing where it has none. Throws:
  /// `invalid_argument` past 2^29 bytes; `unsupported` where the file's patterns take too long.
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const;
  /// The pieces in a row as one text, in which a special token is taken only where it stands whole
  /// within a piece that parses them: what a user wrote gives none. Throws: as above.
  std::vector<TokenId> encode(std::span<const TextPiece> pieces, bool add_special = true) const;
  /// Bytes of the ids in a row. Special tokens give nothing unless `keep_special`.
  /// Throws: `invalid_argument` for an id outside the vocabulary.
  std::string decode(std::span<const TokenId> ids, bool keep_special = false) const;
  /// Bytes that one id adds within a text, so that pieces concatenate to the decoded text; may
  /// end inside a UTF-8 sequence. The space that SentencePiece puts in front of a text is kept
  /// here, and gone from a decoded text. Throws: as `decode`.
  std::string piece(TokenId id) const;

  std::int64_t vocab_size() const noexcept;
  /// The id of a token's exact text, as it stands in the vocabulary: "<|im_end|>".
  std::optional<TokenId> find(std::string_view token) const;
  bool is_special(TokenId id) const;
  std::optional<TokenId> bos() const noexcept;
  std::optional<TokenId> eos() const noexcept;
  /// Every token that ends a generation: `eos` and, where the vocabulary has them, end-of-turn
  /// ones.
  std::span<const TokenId> stop_tokens() const noexcept;
  /// The Jinja source of the model's chat template, of those with other names the named one; empty
  /// where it has none.
  std::string_view chat_template(std::string_view name = "default") const noexcept;
  /// "byte-level BPE", "SentencePiece BPE": for a person to read.
  std::string_view kind() const noexcept;

  /// What the library's loaders make a tokenizer of.
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace quern
