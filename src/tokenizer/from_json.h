#pragma once

#include <memory>

#include "io/json.h"
#include "tokenizer/impl.h"

namespace quern::tokenizer {

/// The tokenizer of a tokenizer.json, without BOS, EOS and stop tokens, which other files name.
/// Truncation and padding are ignored. Throws: `corrupt_file`, `unsupported`.
std::shared_ptr<Tokenizer::Impl> impl_from_json(const io::Json& json);

}  // namespace quern::tokenizer
