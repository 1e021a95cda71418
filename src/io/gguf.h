#pragma once

#include <cstdint>
#include <string>

#include "io/gguf_metadata.h"
#include "io/mapped_file.h"
#include "quern/weights.h"

namespace quern::io {

/// A parsed GGUF file (version 2 or 3, little endian), its tensors views of the mapped file.
/// The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
struct GgufFile {
  std::uint32_t version = 0;
  GgufMetadata metadata;
  Weights weights;  ///< shapes outermost axis first, the reverse of the file's order
};

/// A whole model: where the file is the first of several ("model-00001-of-00003.gguf"), the tensors
/// of all of them under the metadata of the first. Opening costs no more than reading the tables
/// before the tensors. Throws: `not_found`, a part that is missing included; `corrupt_file` with
/// the offset of what is wrong, or for a part that is not the one its name says; `invalid_argument`
/// for a part that is not the first; `unsupported` for another version or a tensor type that is not
/// in `Encoding`.
GgufFile read_gguf(const std::string& path, const LoadProgress& progress = {});

/// One file alone, from bytes at hand; `progress` is told the share of the tensors listed so far,
/// of all parts where the file is one of several.
GgufFile parse_gguf(const FileBytes& file, const LoadProgress& progress = {});

}  // namespace quern::io
