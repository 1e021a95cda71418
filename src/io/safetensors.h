#pragma once

#include <map>
#include <string>

#include "io/mapped_file.h"
#include "quern/weights.h"

namespace quern::io {

/// A parsed .safetensors file, its tensors views of the mapped file.
/// The format: https://github.com/huggingface/safetensors#format
struct SafetensorsFile {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Weight> weights;
};

/// Opening costs no more than parsing the header, but for BOOL tensors, whose bytes are read, and
/// unaligned ones, which are copied. Throws: `not_found`; `corrupt_file` with the offset for what
/// the format's reference refuses, and for BOOL bytes other than 0 and 1; `unsupported` for a dtype
/// or rank that Tensor has not.
SafetensorsFile read_safetensors(const std::string& path, const LoadProgress& progress = {});

/// As read_safetensors, from bytes at hand; `progress` is told the share of the tensors listed so
/// far.
SafetensorsFile parse_safetensors(const FileBytes& file, const LoadProgress& progress = {});

/// Reads a model.safetensors.index.json and the shards it names, which must lie in its folder.
/// Throws: as read_safetensors; `corrupt_file` where a shard lacks a tensor that the index lists.
std::map<std::string, Weight> read_sharded_safetensors(const std::string& index_path,
                                                       const LoadProgress& progress = {});

/// Writes tensors of any layout, each aligned for its dtype. The file appears whole or not at all.
/// Throws: `unsupported` for strings; `invalid_argument` where the path cannot be written.
void write_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace quern::io
