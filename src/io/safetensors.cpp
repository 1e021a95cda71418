#include "io/safetensors.h"

#include <algorithm>
#include <filesystem>
#include <tuple>
#include <vector>

#include "core/format.h"
#include "io/byte_reader.h"
#include "io/json.h"
#include "io/safetensors_dtype.h"
#include "io/tensor_view.h"

namespace quern::io {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::size_t kMaxEntries = std::size_t{1} << 17;
constexpr std::string_view kMetadata = "__metadata__";

struct HeaderEntry {
  std::string name;
  DType dtype;
  Shape shape;
  std::uint64_t begin;  ///< from the start of the data
  std::uint64_t end;
};

/// The header's text and the data after it.
struct Parts {
  std::string_view header;
  std::span<const std::byte> data;
};

Parts split(ByteReader& reader) {
  const auto size = reader.read<std::uint64_t>("the header's length");
  if (size > kMaxHeaderBytes) {
    reader.fail_at(0, "the header has {} bytes, expected at most {}", size,
                   std::uint64_t{kMaxHeaderBytes});
  }
  const auto header = reader.take(size, "the header");
  if (header.empty() || header[0] != std::byte{'{'}) {
    reader.fail_at(8, "not a safetensors file: its header does not begin with \"{{\"");
  }
  return {{reinterpret_cast<const char*>(header.data()), header.size()},
          reader.take(reader.left(), "the data")};
}

Shape read_shape(const JsonObject& entry, const std::string& where) {
  const auto dims = entry.get<std::vector<std::int64_t>>("shape");
  if (dims.size() > Shape::kMaxRank) {
    fail(ErrorCode::unsupported, "{}: rank {}, at most {} is supported", where, dims.size(),
         int{Shape::kMaxRank});
  }
  const Shape shape{std::span(dims)};
  if (!checked_numel(shape)) {
    fail(ErrorCode::corrupt_file, "{}: shape {} is not possible", where, shape);
  }
  return shape;
}

HeaderEntry read_info(const std::string& name, const Json& json, std::string_view file) {
  const std::string where = fmt::format("{}: the header (at byte 8): tensor \"{}\"", file, name);
  const JsonObject entry(json, where);
  const auto dtype_name = entry.get<std::string>("dtype");
  const auto dtype = safetensors_dtype(dtype_name);
  if (!dtype) fail(ErrorCode::unsupported, "{}: dtype \"{}\" is not supported", where, dtype_name);
  const Shape shape = read_shape(entry, where);
  const auto offsets = entry.get<std::vector<std::int64_t>>("data_offsets");
  if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0]) {
    fail(ErrorCode::corrupt_file, "{}: \"data_offsets\": expected a begin and an end after it",
         where);
  }
  return {name, *dtype, shape, static_cast<std::uint64_t>(offsets[0]),
          static_cast<std::uint64_t>(offsets[1])};
}

/// The tensors must lie one after the other and fill the data, as the format demands.
void check_places(const ByteReader& reader, std::vector<HeaderEntry>& infos, std::uint64_t size) {
  std::sort(infos.begin(), infos.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  const std::uint64_t start = reader.position() - size;
  std::uint64_t expected = 0;
  for (const HeaderEntry& info : infos) {
    if (info.begin != expected) {
      reader.fail_at(start + expected, "tensor \"{}\" begins at {} of the data, expected {}: {}",
                     info.name, info.begin, expected,
                     info.begin < expected ? "tensors overlap" : "there is a hole before it");
    }
    const std::uint64_t bytes =
        static_cast<std::uint64_t>(info.shape.numel()) * size_of(info.dtype);
    if (info.end - info.begin != bytes) {
      reader.fail_at(start + info.begin, "tensor \"{}\": {} of shape {} takes {} bytes, got {}",
                     info.name, info.dtype, info.shape, bytes, info.end - info.begin);
    }
    expected = info.end;
  }
  if (expected != size) {
    reader.fail_at(start + std::min(expected, size), "the tensors take {} bytes, the data has {}",
                   expected, size);
  }
}

std::map<std::string, std::string> read_metadata(const JsonObject& header) {
  std::map<std::string, std::string> metadata;
  const auto entries = header.find_object(kMetadata);
  if (!entries) return metadata;
  for (const auto& [key, value] : entries->json().items()) {
    metadata.emplace(key, entries->get<std::string>(key));
  }
  return metadata;
}

/// Any other byte would not be a bool to C++.
void check_booleans(const ByteReader& reader, const HeaderEntry& info,
                    std::span<const std::byte> data) {
  const auto bytes = data.subspan(info.begin, info.end - info.begin);
  const auto wrong =
      std::find_if(bytes.begin(), bytes.end(), [](std::byte byte) { return byte > std::byte{1}; });
  if (wrong == bytes.end()) return;
  const auto index = static_cast<std::size_t>(wrong - bytes.begin());
  reader.fail_at(reader.position() - data.size() + info.begin + index,
                 "tensor \"{}\": expected booleans of 0 or 1, got {}", info.name,
                 static_cast<int>(*wrong));
}

}  // namespace

SafetensorsFile read_safetensors(const std::string& path, const LoadProgress& progress) {
  return parse_safetensors(map_file(path), progress);
}

SafetensorsFile parse_safetensors(const FileBytes& file, const LoadProgress& progress) {
  ByteReader reader(file.bytes, file.name);
  const Parts parts = split(reader);
  const std::string where = file.name + ": the header (at byte 8)";
  const Json json = parse_json(parts.header, where);
  const JsonObject header(json, where);
  if (json.size() > kMaxEntries) {
    reader.fail_at(8, "{} tensors, expected at most {}", json.size(), std::size_t{kMaxEntries});
  }

  SafetensorsFile safetensors;
  safetensors.metadata = read_metadata(header);
  std::vector<HeaderEntry> infos;
  for (const auto& [name, entry] : json.items()) {
    if (name != kMetadata) infos.push_back(read_info(name, entry, file.name));
  }
  check_places(reader, infos, parts.data.size());
  for (const HeaderEntry& info : infos) {
    if (info.dtype == DType::boolean) check_booleans(reader, info, parts.data);
    const auto bytes = parts.data.subspan(info.begin, info.end - info.begin);
    safetensors.weights.emplace(info.name, tensor_view(bytes, info.dtype, info.shape, file.owner));
    if (progress) {
      progress(static_cast<double>(safetensors.weights.size()) / static_cast<double>(infos.size()));
    }
  }
  return safetensors;
}

std::map<std::string, Weight> read_sharded_safetensors(const std::string& index_path,
                                                       const LoadProgress& progress) {
  const Json json = read_json(index_path);
  const JsonObject map = JsonObject(json, index_path).object("weight_map");
  std::map<std::string, std::vector<std::string>> names_by_shard;
  for (const auto& [name, shard] : map.json().items()) {
    names_by_shard[map.get<std::string>(name)].push_back(name);
  }
  const auto folder = std::filesystem::path(index_path).parent_path();
  std::map<std::string, Weight> weights;
  double shards_read = 0;
  for (const auto& [shard, names] : names_by_shard) {
    if (shard.empty() || shard == "." || shard == ".." ||
        shard.find_first_of("/\\\0", 0, 3) != std::string::npos) {
      fail(ErrorCode::corrupt_file, "{}: \"{}\" is not the name of a file beside it", index_path,
           shard);
    }
    SafetensorsFile file = read_safetensors((folder / shard).string(), [&](double done) {
      if (progress) progress((shards_read + done) / static_cast<double>(names_by_shard.size()));
    });
    for (const std::string& name : names) {
      const auto found = file.weights.find(name);
      if (found == file.weights.end()) {
        fail(ErrorCode::corrupt_file, "{}: \"{}\" is not in {}", index_path, name, shard);
      }
      weights.emplace(name, std::move(found->second));
    }
    ++shards_read;
  }
  return weights;
}

}  // namespace quern::io
