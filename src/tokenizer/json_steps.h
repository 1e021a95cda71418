#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"

/// The steps that a tokenizer.json lists, each of which names its type. All throw `unsupported`
/// with the name of a type or an option that is not known here, and `corrupt_file`.
namespace quern::tokenizer {

/// "normalizer".
std::vector<NormalizerStep> read_normalizer(const io::JsonObject& json);

/// "pre_tokenizer".
struct PreTokenizerSteps {
  std::vector<NormalizerStep> word_marks;  ///< marks of spaces, put in before the text is split
  std::vector<SplitRule> rules;
  bool byte_level = false;  ///< words are bytes, not characters
};
PreTokenizerSteps read_pre_tokenizer(const io::JsonObject& json);

/// "post_processor": the ids around a text.
struct Template {
  std::vector<std::int64_t> prefix, suffix;
};
Template read_post_processor(const io::JsonObject& json);

/// "decoder": whether a text loses the space that it starts with.
bool read_decoder_strips_space(const io::JsonObject& json);

}  // namespace quern::tokenizer
