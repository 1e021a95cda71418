#include <string>
#include <string_view>

#include "fuzz/targets.h"
#include "fuzz/use.h"
#include "io/gguf.h"
#include "io/json.h"
#include "quern/chat_template.h"
#include "tokenizer/from_json.h"
#include "tokenizer/load.h"

namespace quern::fuzz {
namespace {

Tokenizer load(std::span<const std::byte> bytes, std::string_view text) {
  if (text.starts_with("GGUF")) {
    return tokenizer_from_gguf(io::parse_gguf({"fuzz.gguf", bytes, nullptr}).metadata);
  }
  return Tokenizer(tokenizer::impl_from_json(io::parse_json(text, "fuzz.json")));
}

}  // namespace

void tokenizer(std::span<const std::byte> bytes) {
  allow_refusal([&] {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const Tokenizer loaded = load(bytes, text);
    const std::string own(text.substr(text.size() - std::min<std::size_t>(text.size(), 99)));
    for (const std::string& sample :
         {own, own + own, std::string("a <s> b\n\xe4\xbd\xa0 \xff  12")}) {
      for (const bool parse_special : {false, true}) {
        const auto ids = loaded.encode(sample, {.parse_special = parse_special});
        std::size_t streamed = 0;
        for (const TokenId id : ids) streamed += loaded.piece(id).size();
        if (loaded.decode(ids).size() > streamed) std::abort();
        loaded.decode(ids, true);
      }
    }
    ChatTemplate::of(loaded);
  });
}

}  // namespace quern::fuzz
