#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "quern/weights.h"

namespace quern::io {

/// One metadata value; integers of every width are widened, arrays of bool become integers.
using GgufValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                               std::vector<double>, std::vector<std::string>>;

using GgufMetadata = std::map<std::string, GgufValue, std::less<>>;

/// A parsed GGUF file (version 2 or 3, little endian), its tensors views of the mapped file.
/// The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
struct GgufFile {
  std::uint32_t version = 0;
  GgufMetadata metadata;
  Weights weights;  ///< shapes outermost axis first, the reverse of the file's order
};

/// Throws: `not_found`, `corrupt_file` with the offset of what is wrong, `unsupported` for a tensor
/// type that is not in `Encoding`.
GgufFile read_gguf(const std::string& path, const LoadProgress& progress = {});

}  // namespace quern::io
