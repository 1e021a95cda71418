#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/format.h"
#include "io/byte_reader.h"
#include "io/mapped_file.h"
#include "io/npy.h"
#include "quern/npy.h"

namespace quern {
namespace {

constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEntrySignature = 0x02014b50;
constexpr std::uint32_t kFileSignature = 0x04034b50;
constexpr std::size_t kEndSize = 22;  // without the comment
constexpr std::size_t kMaxComment = 65535;

struct Entry {
  std::string name;
  std::uint64_t offset = 0;  // of its header
  std::uint64_t size = 0;
};

io::ByteReader reader_at(const io::FileBytes& file, std::uint64_t offset) {
  io::ByteReader reader(file.bytes, file.name);
  reader.take(offset, "zip entry");
  return reader;
}

/// Where the record that ends every zip archive is.
std::size_t find_end(const io::FileBytes& file) {
  const std::size_t size = file.bytes.size();
  for (std::size_t back = kEndSize; back <= std::min(size, kEndSize + kMaxComment); ++back) {
    if (reader_at(file, size - back).read<std::uint32_t>("zip end") == kEndSignature)
      return size - back;
  }
  io::ByteReader(file.bytes, file.name).fail_at(0, "not a .npz file: no zip directory");
}

std::string read_text(io::ByteReader& reader, std::size_t size) {
  const auto bytes = reader.take(size, "zip name");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Entry read_entry(io::ByteReader& reader) {
  const std::size_t at = reader.position();
  if (reader.read<std::uint32_t>("zip entry") != kEntrySignature)
    reader.fail_at(at, "npz: no entry of the zip directory");
  reader.take(6, "zip entry");  // versions, flags
  const auto method = reader.read<std::uint16_t>("zip entry");
  reader.take(12, "zip entry");  // time, date, checksum, compressed size
  Entry entry;
  entry.size = reader.read<std::uint32_t>("zip entry");
  const auto name_size = reader.read<std::uint16_t>("zip entry");
  const auto extra_size = reader.read<std::uint16_t>("zip entry");
  const auto comment_size = reader.read<std::uint16_t>("zip entry");
  reader.take(8, "zip entry");  // disk, attributes
  entry.offset = reader.read<std::uint32_t>("zip entry");
  entry.name = read_text(reader, name_size);
  reader.take(std::size_t{extra_size} + comment_size, "zip entry");
  if (method != 0)
    fail(ErrorCode::unsupported, "{}: npz: \"{}\" is compressed; numpy.savez stores it plainly",
         reader.name(), entry.name);
  return entry;
}

std::span<const std::byte> bytes_of(const io::FileBytes& file, const Entry& entry) {
  io::ByteReader reader = reader_at(file, entry.offset);
  if (reader.read<std::uint32_t>("zip file") != kFileSignature)
    reader.fail_at(entry.offset, "npz: no file where the zip directory says");
  reader.take(22, "zip file");
  const auto name_size = reader.read<std::uint16_t>("zip file");
  const auto extra_size = reader.read<std::uint16_t>("zip file");
  reader.take(std::size_t{name_size} + extra_size, "zip file");
  return reader.take(entry.size, "npz array");
}

}  // namespace

std::map<std::string, Tensor> read_npz(const std::string& path) {
  const io::FileBytes file = io::map_file(path);
  io::ByteReader end = reader_at(file, find_end(file));
  end.take(10, "zip end");
  const auto count = end.read<std::uint16_t>("zip end");
  end.take(4, "zip end");
  io::ByteReader directory = reader_at(file, end.read<std::uint32_t>("zip end"));
  std::map<std::string, Tensor> arrays;
  for (int i = 0; i < count; ++i) {
    const Entry entry = read_entry(directory);
    std::string name = entry.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    const auto bytes = bytes_of(file, entry);
    if (!arrays.emplace(name, io::parse_npy({file.name + ":" + entry.name, bytes, nullptr})).second)
      directory.fail_at(directory.position(), "npz: \"{}\" is there twice", name);
  }
  return arrays;
}

}  // namespace quern
