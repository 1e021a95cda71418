#pragma once

#include <optional>
#include <string>

#include "io/gguf.h"
#include "io/json.h"
#include "quern/weights.h"

namespace quern::models {

/// A model's files, opened and not yet understood: weights and configuration of either format.
struct ModelSource {
  std::string path;  ///< a .gguf file or a folder
  Weights weights;
  std::optional<io::GgufFile> gguf;
  std::optional<io::Json> config;  ///< config.json of a Hugging Face folder

  /// As the file names it: GGUF's general.architecture, or the first of "architectures".
  std::string architecture() const;
};

/// Throws: `not_found`, `corrupt_file`, `unsupported`.
ModelSource open_source(const std::string& path, const LoadProgress& progress);

}  // namespace quern::models
