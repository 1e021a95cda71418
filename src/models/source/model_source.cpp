#include "models/source/model_source.h"

#include <filesystem>

#include "core/error.h"
#include "io/gguf_metadata.h"

namespace quern::models {

std::string ModelSource::architecture() const {
  if (gguf) return io::get_string(gguf->metadata, "general.architecture");
  const auto names =
      io::JsonObject(*config, "config.json").get<std::vector<std::string>>("architectures");
  if (names.empty()) fail(ErrorCode::corrupt_file, "config.json: \"architectures\" is empty");
  return names.front();
}

ModelSource open_source(const std::string& path, const LoadProgress& progress) {
  ModelSource source{.path = path, .weights = {}, .gguf = {}, .config = {}};
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    source.config = io::read_json((std::filesystem::path(path) / "config.json").string());
    source.weights = Weights::open(path, progress);
  } else {
    source.gguf = io::read_gguf(path, progress);
    source.weights = source.gguf->weights;
  }
  return source;
}

}  // namespace quern::models
