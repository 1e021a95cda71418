#include "tokenizer/template_sources.h"

#include "io/mapped_file.h"

namespace quern::tokenizer {
namespace {

/// What a GGUF file calls the template for conversations with tools.
constexpr std::string_view kGgufKey = "tokenizer.chat_template";
constexpr std::string_view kNames[] = {"default", "tool_use"};

std::string_view text_of(const io::FileBytes& file) {
  return {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()};
}

}  // namespace

TemplateSources templates_of(const io::JsonObject& config) {
  TemplateSources sources;
  if (!config.contains("chat_template")) return sources;
  if (!config.json().at("chat_template").is_array()) {
    sources["default"] = config.get<std::string>("chat_template");
    return sources;
  }
  for (const io::Json& item : config.array("chat_template")) {
    const io::JsonObject named(item, "chat_template");
    sources[named.get<std::string>("name")] = named.get<std::string>("template");
  }
  return sources;
}

TemplateSources templates_of(const io::GgufMetadata& metadata) {
  TemplateSources sources;
  for (const std::string_view name : kNames) {
    const std::string key =
        std::string(kGgufKey) + (name == "default" ? "" : "." + std::string(name));
    if (const std::string* source = io::find_string(metadata, key))
      sources[std::string(name)] = *source;
  }
  return sources;
}

TemplateSources templates_of_folder(const std::filesystem::path& folder) {
  TemplateSources sources;
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    if (!std::filesystem::exists(folder / name)) continue;
    const io::Json json = io::read_json((folder / name).string());
    TemplateSources more = templates_of(io::JsonObject(json, name));
    if (!more.empty()) sources = std::move(more);
  }
  const auto jinja = folder / "chat_template.jinja";
  if (std::filesystem::exists(jinja)) {
    sources["default"] = text_of(io::map_file(jinja.string()));
  }
  return sources;
}

TemplateSources templates_at(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return templates_of_folder(path);
  const io::FileBytes file = io::map_file(path);
  const std::string_view text = text_of(file);
  if (text.starts_with("GGUF")) return templates_of(io::parse_gguf(file).metadata);
  if (!path.ends_with(".json")) return {{"default", std::string(text)}};
  const io::Json json = io::parse_json(text, path);
  return templates_of(io::JsonObject(json, path));
}

}  // namespace quern::tokenizer
