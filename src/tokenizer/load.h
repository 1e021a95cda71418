#pragma once

#include <string>

#include "io/gguf.h"
#include "quern/tokenizer.h"

namespace quern {

/// The tokenizer that a GGUF file stores in its metadata. Throws: `corrupt_file`, `unsupported`.
Tokenizer tokenizer_from_gguf(const io::GgufMetadata& metadata);

/// The tokenizer of a Hugging Face folder: tokenizer.json with, where present,
/// tokenizer_config.json, generation_config.json and chat_template.jinja. Throws: `not_found`,
/// `corrupt_file`, `unsupported`.
Tokenizer tokenizer_from_folder(const std::string& folder);

}  // namespace quern
