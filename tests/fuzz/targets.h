#pragma once

#include <cstddef>
#include <span>

namespace quern::fuzz {

/// Each reads `bytes` as a file of its format and uses all of what it gives. An Error of code
/// corrupt_file or unsupported passes through; of any other code, it is a defect and aborts.
void gguf(std::span<const std::byte> bytes);
void safetensors(std::span<const std::byte> bytes);
void json(std::span<const std::byte> bytes);
/// A tokenizer.json, or a GGUF file that stores a vocabulary.
void tokenizer(std::span<const std::byte> bytes);

}  // namespace quern::fuzz
