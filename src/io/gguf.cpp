#include "io/gguf.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "core/block_format.h"
#include "core/format.h"
#include "io/byte_reader.h"
#include "io/tensor_view.h"

namespace quern::io {
namespace {

constexpr std::uint64_t kMaxTensors = std::uint64_t{1} << 17;
constexpr std::size_t kMaxNameBytes = 65535;
constexpr std::uint32_t kMaxRank = 4;
constexpr std::uint64_t kDefaultAlignment = 32;

struct TensorType {
  std::uint32_t id;
  Encoding encoding;
  DType dtype = DType::f32;
};

constexpr TensorType kTensorTypes[] = {
    {0, Encoding::dense, DType::f32},
    {1, Encoding::dense, DType::f16},
    {2, Encoding::q4_0},
    {3, Encoding::q4_1},
    {6, Encoding::q5_0},
    {7, Encoding::q5_1},
    {8, Encoding::q8_0},
    {9, Encoding::q8_1},
    {10, Encoding::q2_k},
    {11, Encoding::q3_k},
    {12, Encoding::q4_k},
    {13, Encoding::q5_k},
    {14, Encoding::q6_k},
    {15, Encoding::q8_k},
    {16, Encoding::iq2_xxs},
    {17, Encoding::iq2_xs},
    {18, Encoding::iq3_xxs},
    {19, Encoding::iq1_s},
    {20, Encoding::iq4_nl},
    {21, Encoding::iq3_s},
    {22, Encoding::iq2_s},
    {23, Encoding::iq4_xs},
    {24, Encoding::dense, DType::i8},
    {25, Encoding::dense, DType::i16},
    {26, Encoding::dense, DType::i32},
    {27, Encoding::dense, DType::i64},
    {28, Encoding::dense, DType::f64},
    {29, Encoding::iq1_m},
    {30, Encoding::dense, DType::bf16},
    {34, Encoding::tq1_0},
    {35, Encoding::tq2_0},
    {39, Encoding::mxfp4},
    {40, Encoding::nvfp4},
    {41, Encoding::q1_0},
    {42, Encoding::q2_0},
};

/// Types that files had once, and no program reads any more.
struct RetiredType {
  std::uint32_t id;
  std::string_view name;
};

constexpr RetiredType kRetiredTypes[] = {
    {4, "q4_2"},      {5, "q4_3"},        {31, "q4_0_4_4"},   {32, "q4_0_4_8"},
    {33, "q4_0_8_8"}, {36, "iq4_nl_4_4"}, {37, "iq4_nl_4_8"}, {38, "iq4_nl_8_8"},
};

/// A row of the table of tensors.
struct TensorInfo {
  std::string name;
  Shape shape;
  TensorType type;
  std::uint64_t offset = 0;  ///< from the start of the data
  std::uint64_t bytes = 0;
  std::size_t at = 0;  ///< where this row stands
};

std::uint32_t read_version(ByteReader& reader) {
  const auto magic = reader.take(4, "the magic number");
  if (std::memcmp(magic.data(), "GGUF", 4) != 0) {
    reader.fail_at(0, "not a GGUF file: it does not begin with \"GGUF\"");
  }
  const auto version = reader.read<std::uint32_t>("the version");
  if (version == 2 || version == 3) return version;
  if (version == 0) reader.fail_at(4, "GGUF version 0 does not exist");
  const bool big_endian = (version & 0xffffu) == 0;
  fail(ErrorCode::unsupported, "{}: GGUF {} is not supported, only version 2 and 3 (at byte 4)",
       reader.name(), big_endian ? "in big-endian order" : fmt::format("version {}", version));
}

std::uint64_t read_alignment(const ByteReader& reader, const GgufMetadata& metadata) {
  const auto found = metadata.find("general.alignment");
  if (found == metadata.end()) return kDefaultAlignment;
  const auto* alignment = std::get_if<std::int64_t>(&found->second);
  if (alignment == nullptr || *alignment <= 0 || (*alignment & (*alignment - 1)) != 0) {
    reader.fail_at(reader.position(), "general.alignment: expected an integer power of two{}",
                   alignment == nullptr ? "" : fmt::format(", got {}", *alignment));
  }
  return static_cast<std::uint64_t>(*alignment);
}

std::string known_types() {
  std::string names;
  for (const TensorType& type : kTensorTypes) {
    const bool dense = type.encoding == Encoding::dense;
    names += names.empty() ? "" : ", ";
    names += dense ? to_string(type.dtype) : to_string(type.encoding);
  }
  return names;
}

TensorType read_tensor_type(ByteReader& reader, const std::string& name) {
  const std::size_t at = reader.position();
  const auto id = reader.read<std::uint32_t>("a tensor's type");
  for (const TensorType& type : kTensorTypes) {
    if (type.id == id) return type;
  }
  for (const RetiredType& type : kRetiredTypes) {
    if (type.id != id) continue;
    fail(ErrorCode::unsupported, "{}: tensor \"{}\": type {} is not supported (at byte {})",
         reader.name(), name, type.name, at);
  }
  fail(
      ErrorCode::unsupported,
      "{}: tensor \"{}\": its type has the number {}, which is of none known here: {} (at byte {})",
      reader.name(), name, id, known_types(), at);
}

Shape read_shape(ByteReader& reader, const std::string& name) {
  const std::size_t at = reader.position();
  const auto rank = reader.read<std::uint32_t>("a tensor's rank");
  if (rank > kMaxRank) {
    reader.fail_at(at, "tensor \"{}\": rank {}, expected at most {}", name, rank,
                   std::uint32_t{kMaxRank});
  }
  Shape shape = Shape::filled(static_cast<int>(rank), 0);
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    shape[axis] = reader.read<std::int64_t>("a tensor's shape");
  }
  if (!checked_numel(shape)) {
    reader.fail_at(at, "tensor \"{}\": shape {} is not possible", name, shape);
  }
  return shape;
}

/// Bytes that a tensor of this type and shape takes.
std::uint64_t stored_bytes(const ByteReader& reader, const TensorInfo& info) {
  const auto count = static_cast<std::uint64_t>(info.shape.numel());
  if (info.type.encoding == Encoding::dense) return count * size_of(info.type.dtype);
  const BlockFormat block = block_format(info.type.encoding);
  if (info.shape.rank() == 0 || info.shape.dim(-1) % block.values != 0) {
    reader.fail_at(info.at, "tensor \"{}\": {} comes in blocks of {}, not as shape {}", info.name,
                   to_string(info.type.encoding), block.values, info.shape);
  }
  return count / static_cast<std::uint64_t>(block.values) * static_cast<std::uint64_t>(block.bytes);
}

TensorInfo read_tensor_info(ByteReader& reader, std::uint64_t alignment) {
  TensorInfo info;
  info.at = reader.position();
  info.name = reader.read_string("a tensor's name");
  if (info.name.size() > kMaxNameBytes) {
    reader.fail_at(info.at, "a tensor's name has {} bytes, expected at most {}", info.name.size(),
                   std::size_t{kMaxNameBytes});
  }
  info.shape = read_shape(reader, info.name);
  info.type = read_tensor_type(reader, info.name);
  info.offset = reader.read<std::uint64_t>("a tensor's offset");
  info.bytes = stored_bytes(reader, info);
  if (info.offset % alignment != 0) {
    reader.fail_at(info.at, "tensor \"{}\": offset {} is not a multiple of the alignment {}",
                   info.name, info.offset, alignment);
  }
  return info;
}

std::vector<TensorInfo> read_tensor_infos(ByteReader& reader, std::uint64_t count,
                                          std::uint64_t alignment) {
  constexpr std::size_t kMinInfoBytes = 8 + 4 + 4 + 8;
  reader.require_left(count, kMinInfoBytes, "the table of tensors");
  if (count > kMaxTensors) {
    reader.fail_at(reader.position(), "{} tensors, expected at most {}", count,
                   std::uint64_t{kMaxTensors});
  }
  std::vector<TensorInfo> infos;
  for (std::uint64_t i = 0; i < count; ++i) infos.push_back(read_tensor_info(reader, alignment));
  return infos;
}

/// Each tensor must lie within the `size` bytes of data, and none over another.
void check_places(const ByteReader& reader, const std::vector<TensorInfo>& infos,
                  std::uint64_t size) {
  std::vector<const TensorInfo*> by_offset;
  for (const TensorInfo& info : infos) {
    if (info.offset > size || info.bytes > size - info.offset) {
      reader.fail_at(info.at,
                     "tensor \"{}\": {} bytes at offset {} pass the end of {} bytes of data",
                     info.name, info.bytes, info.offset, size);
    }
    if (info.bytes > 0) by_offset.push_back(&info);
  }
  std::sort(by_offset.begin(), by_offset.end(),
            [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < by_offset.size(); ++i) {
    const TensorInfo& before = *by_offset[i - 1];
    if (before.offset + before.bytes > by_offset[i]->offset) {
      reader.fail_at(by_offset[i]->at, "tensors \"{}\" and \"{}\" overlap", before.name,
                     by_offset[i]->name);
    }
  }
}

Weight make_weight(const TensorInfo& info, std::span<const std::byte> data,
                   const std::shared_ptr<const void>& owner) {
  const auto bytes = data.subspan(info.offset, info.bytes);
  if (info.type.encoding != Encoding::dense) return {info.type.encoding, info.shape, bytes, owner};
  return tensor_view(bytes, info.type.dtype, info.shape, owner);
}

}  // namespace

GgufFile parse_gguf(const FileBytes& file, const LoadProgress& progress) {
  ByteReader reader(file.bytes, file.name);
  GgufFile gguf;
  gguf.version = read_version(reader);
  const auto tensors = reader.read<std::uint64_t>("the number of tensors");
  const auto pairs = reader.read<std::uint64_t>("the number of metadata pairs");
  gguf.metadata = read_gguf_metadata(reader, pairs);
  const std::uint64_t alignment = read_alignment(reader, gguf.metadata);
  const std::vector<TensorInfo> infos = read_tensor_infos(reader, tensors, alignment);

  const std::uint64_t padding = (alignment - reader.position() % alignment) % alignment;
  const auto data =
      file.bytes.subspan(reader.position() + std::min<std::uint64_t>(padding, reader.left()));
  check_places(reader, infos, data.size());
  const auto parts = std::max<std::int64_t>(find_int(gguf.metadata, "split.count").value_or(1), 1);
  const double all = static_cast<double>(tensors) * static_cast<double>(parts);
  std::map<std::string, Weight> weights;
  for (const TensorInfo& info : infos) {
    if (!weights.try_emplace(info.name, make_weight(info, data, file.owner)).second) {
      reader.fail_at(info.at, "the tensor \"{}\" occurs twice", info.name);
    }
    if (progress) progress(static_cast<double>(weights.size()) / all);
  }
  gguf.weights = Weights(std::move(weights));
  return gguf;
}

}  // namespace quern::io
