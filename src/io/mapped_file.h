#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace quern::io {

/// The bytes of a file, what keeps them alive, and the name that messages give them. Readers take
/// this, so that they read a mapped file and bytes in memory alike.
struct FileBytes {
  std::string name;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  bool is_mapped = false;
};

/// Maps a whole file for reading; nothing is read until it is touched. The file must not be
/// truncated while the bytes are in use. Throws: `not_found`; `invalid_argument` for a folder, a
/// device or a file that may not be read; `corrupt_file` for an empty file.
FileBytes map_file(const std::string& path);

/// Gives memory back that holds `part` of a mapped file, to which nobody has written; it is read
/// again when it is touched. Does nothing for other bytes.
void release_pages(const FileBytes& file, std::span<const std::byte> part) noexcept;

/// What keeps `part` of a file alive, and releases its pages with the last copy.
std::shared_ptr<const void> owner_of(const FileBytes& file, std::span<const std::byte> part);

}  // namespace quern::io
