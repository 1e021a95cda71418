#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "io/gguf.h"
#include "io/json.h"

namespace quern::tokenizer {

/// Jinja texts of a model's chat templates, by name; that for all is "default".
using TemplateSources = std::map<std::string, std::string, std::less<>>;

/// "chat_template" of a configuration: a text, or a list of named ones.
TemplateSources templates_of(const io::JsonObject& config);
TemplateSources templates_of(const io::GgufMetadata& metadata);
/// Of a Hugging Face folder: of chat_template.jinja, else of tokenizer_config.json, else of
/// chat_template.json; empty where there are none.
TemplateSources templates_of_folder(const std::filesystem::path& folder);
/// Of a folder, or of a file: GGUF, a configuration in JSON, else Jinja.
TemplateSources templates_at(const std::string& path);

}  // namespace quern::tokenizer
