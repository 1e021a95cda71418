#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/decoder.h"
#include "models/encoder.h"
#include "models/source/model_source.h"
#include "quern/weights.h"

namespace quern::models {

/// One entry of the table of architectures: a family of networks, or those of one file of them.
struct Architecture {
  std::string_view name;
  std::vector<std::string_view> aliases;  ///< as files name it, in GGUF and in config.json
  /// Throws: `corrupt_file`; `unsupported` for a setting or a tensor that would change the result
  /// and that the family's file has nothing for.
  std::unique_ptr<const Decoder> (*load)(const ModelSource& source, Accuracy accuracy);
  /// The same of a family of encoders; `load` is null then.
  std::unique_ptr<const Encoder> (*load_encoder)(const ModelSource& source,
                                                 Accuracy accuracy) = nullptr;
};

std::span<const Architecture> architectures();

/// Null where none has that alias.
const Architecture* find_architecture(std::string_view alias);
/// All aliases, for messages.
std::string known_architectures();

}  // namespace quern::models
