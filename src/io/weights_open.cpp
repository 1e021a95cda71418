#include <filesystem>
#include <string_view>

#include "core/error.h"
#include "io/gguf.h"
#include "io/mapped_file.h"
#include "io/safetensors.h"
#include "quern/weights.h"

namespace quern {
namespace {

std::string_view text_of(const io::FileBytes& file) {
  return {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()};
}

/// The weights file in a model's folder.
std::string find_in_folder(const std::filesystem::path& folder) {
  for (const char* name : {"model.safetensors", "model.safetensors.index.json"}) {
    if (std::filesystem::exists(folder / name)) return (folder / name).string();
  }
  fail(ErrorCode::not_found,
       "{}: the folder has neither model.safetensors nor model.safetensors.index.json",
       folder.string());
}

/// Its header's length, the first eight bytes, is far below 2^56; JSON has no byte of zero.
bool is_safetensors(std::string_view text) {
  return text.size() > 8 && text[7] == '\0' && text[8] == '{';
}

bool is_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

}  // namespace

Weights Weights::open(const std::string& path, const LoadProgress& progress) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return open(find_in_folder(path), progress);
  }
  const io::FileBytes file = io::map_file(path);
  const std::string_view text = text_of(file);
  if (text.starts_with("GGUF")) return io::read_gguf(path, progress).weights;
  if (is_safetensors(text)) return Weights(io::parse_safetensors(file, progress).weights);
  if (is_json(text)) return Weights(io::read_sharded_safetensors(path, progress));
  fail(ErrorCode::corrupt_file, "{}: neither GGUF, safetensors nor a safetensors index (at byte 0)",
       path);
}

}  // namespace quern
