#include "fuzz/targets.h"
#include "fuzz/use.h"
#include "io/gguf.h"

namespace quern::fuzz {

void gguf(std::span<const std::byte> bytes) {
  allow_refusal([&] {
    const io::GgufFile file = io::parse_gguf({"fuzz.gguf", bytes, nullptr});
    for (const std::string& name : file.weights.names()) use(file.weights.get(name));
    io::find_int(file.metadata, "tokenizer.ggml.bos_token_id");
    io::find_float(file.metadata, "llama.rope.freq_base");
    io::find_strings(file.metadata, "tokenizer.ggml.tokens");
  });
}

}  // namespace quern::fuzz
