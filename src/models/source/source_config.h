#pragma once

#include <optional>

#include "models/source/model_config.h"
#include "models/source/model_source.h"

namespace quern::models {

/// What a decoder's config.json leaves out, architecture by architecture.
struct JsonDefaults {
  bool has_window = false;                    ///< whether "sliding_window" is read
  std::int64_t window = 0;                    ///< where it is not there; null is none
  std::optional<std::int64_t> kv_heads = {};  ///< where not there; without: as many as heads
  bool has_bias = false;                      ///< whether "attention_bias" and "mlp_bias" are read
};

/// The settings of a dense decoder with rotary positions and SiLU gating, read as transformers
/// reads config.json. Throws: `corrupt_file`; `unsupported` for a setting that it reads and this
/// decoder has nothing for, weights quantised by a "quantization_config" included.
ModelConfig read_json_config(const ModelSource& source, const JsonDefaults& defaults);

/// The same of GGUF metadata, read as llama.cpp reads it.
ModelConfig read_gguf_config(const ModelSource& source);

}  // namespace quern::models
