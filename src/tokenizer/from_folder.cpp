#include <filesystem>
#include <optional>

#include "core/error.h"
#include "io/json.h"
#include "io/mapped_file.h"
#include "tokenizer/from_json.h"
#include "tokenizer/impl.h"
#include "tokenizer/load.h"

namespace quern {
namespace {

using io::Json;
using io::JsonObject;
using tokenizer::kNoToken;

std::string_view text_of(const io::FileBytes& file) {
  return {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()};
}

std::optional<Json> read_if_there(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  return io::read_json(path.string());
}

/// A token that the config names by its text, or by an object that has it as "content".
std::optional<TokenId> named_token(const JsonObject& config, std::string_view name,
                                   const tokenizer::Vocabulary& vocabulary) {
  if (!config.contains(name)) return std::nullopt;
  const Json& value = config.json().at(std::string(name));
  const auto text = value.is_object() ? config.object(name).get<std::string>("content")
                                      : config.get<std::string>(name);
  const TokenId id = vocabulary.find(text);
  return id == kNoToken ? std::nullopt : std::optional(id);
}

/// "eos_token_id": an id or a list of them.
std::vector<TokenId> read_stop_tokens(const JsonObject& config,
                                      const tokenizer::Vocabulary& vocabulary) {
  if (!config.contains("eos_token_id")) return {};
  const bool list = config.json().at("eos_token_id").is_array();
  const auto ids = list ? config.get<std::vector<std::int64_t>>("eos_token_id")
                        : std::vector{config.get<std::int64_t>("eos_token_id")};
  std::vector<TokenId> stop_tokens;
  for (const std::int64_t id : ids) {
    if (!vocabulary.contains(id)) {
      fail(ErrorCode::corrupt_file,
           "generation_config.json: eos_token_id {} is outside the vocabulary of {}", id,
           vocabulary.size());
    }
    stop_tokens.push_back(static_cast<TokenId>(id));
  }
  return stop_tokens;
}

/// `folder` holds what a tokenizer.json does not say; the other files may be missing.
Tokenizer complete(std::shared_ptr<Tokenizer::Impl> impl, const std::filesystem::path& folder) {
  if (const auto json = read_if_there(folder / "tokenizer_config.json")) {
    const JsonObject config(*json, "tokenizer_config.json");
    impl->bos = named_token(config, "bos_token", impl->vocabulary);
    impl->eos = named_token(config, "eos_token", impl->vocabulary);
  } else {
    if (!impl->prefix.empty()) impl->bos = impl->prefix.front();
    if (!impl->suffix.empty()) impl->eos = impl->suffix.back();
  }
  impl->chat_templates = tokenizer::templates_of_folder(folder);
  std::vector<TokenId> stop_tokens;
  if (const auto json = read_if_there(folder / "generation_config.json")) {
    stop_tokens = read_stop_tokens(JsonObject(*json, "generation_config.json"), impl->vocabulary);
  }
  impl->collect_stop_tokens(stop_tokens);
  return Tokenizer(std::move(impl));
}

}  // namespace

Tokenizer tokenizer_from_folder(const std::string& folder) {
  const std::filesystem::path path(folder);
  return complete(tokenizer::impl_from_json(io::read_json((path / "tokenizer.json").string())),
                  path);
}

Tokenizer Tokenizer::load(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return tokenizer_from_folder(path);
  const io::FileBytes file = io::map_file(path);
  const std::string_view text = text_of(file);
  if (text.starts_with("GGUF")) return tokenizer_from_gguf(io::parse_gguf(file).metadata);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '{') {
    fail(ErrorCode::corrupt_file, "{}: neither GGUF nor a tokenizer.json (at byte 0)", path);
  }
  return complete(tokenizer::impl_from_json(io::parse_json(text, path)),
                  std::filesystem::path(path).parent_path());
}

}  // namespace quern
