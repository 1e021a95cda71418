#include "tokenizer/load.h"

namespace quern {

Tokenizer Tokenizer::load(const std::string& path) {
  return tokenizer_from_gguf(io::read_gguf(path).metadata);
}

}  // namespace quern
