#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_model.h"

/// What the loaders of all formats make of a vocabulary.
namespace quern::tokenizer {

/// How SentencePiece vocabularies write a space, U+2581.
inline constexpr std::string_view kSpaceMark = "\u2581";

/// Adds the rule that two tokens become the one with their texts in a row. Throws: `corrupt_file`
/// where one of the three is not in the vocabulary.
void add_merge(MergeTable& merges, const Vocabulary& vocabulary, std::size_t rank,
               std::string_view left, std::string_view right);

/// The tokens "<0x00>" to "<0xFF>" that there are.
Fallback byte_fallback(const Vocabulary& vocabulary);

/// The bytes of each token of a byte-level vocabulary; control and user-defined tokens, and texts
/// outside the byte map, stand for themselves. `word_end`, where not empty, becomes a space.
TokenStrings byte_level_pieces(const Vocabulary& vocabulary, std::string_view word_end = {});

/// The bytes of each token of a SentencePiece vocabulary: marks become spaces, "<0x0A>" one byte.
TokenStrings sentencepiece_pieces(const Vocabulary& vocabulary);

/// Words that start at marks of spaces, where no token has a mark after another character: nothing
/// is merged across, and many short words are quicker than one long. Else nothing.
std::vector<SplitRule> split_before_spaces(const Vocabulary& vocabulary);

}  // namespace quern::tokenizer
