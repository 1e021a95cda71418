#include "quern/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include "core/error.h"
#include "core/format.h"
#include "io/byte_reader.h"
#include "io/mapped_file.h"
#include "io/npy.h"

namespace quern {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

constexpr std::pair<std::string_view, DType> kTypes[] = {
    {"<f4", DType::f32}, {"<f8", DType::f64}, {"<f2", DType::f16}, {"|i1", DType::i8},
    {"|u1", DType::u8},  {"<i2", DType::i16}, {"<u2", DType::u16}, {"<i4", DType::i32},
    {"<u4", DType::u32}, {"<i8", DType::i64}, {"<u8", DType::u64}, {"|b1", DType::boolean}};

struct Header {
  DType dtype = DType::f32;
  bool by_column = false;
  Shape shape;
};

/// The text between `before` and the next `end` after it.
std::optional<std::string_view> between(std::string_view text, std::string_view before, char end) {
  const std::size_t start = text.find(before);
  if (start == std::string_view::npos) return std::nullopt;
  const std::size_t first = start + before.size();
  const std::size_t last = text.find(end, first);
  if (last == std::string_view::npos) return std::nullopt;
  return text.substr(first, last - first);
}

Shape parse_shape(std::string_view text, const io::ByteReader& reader) {
  Shape shape;
  std::int64_t count = 1;
  while (true) {
    const std::size_t digit = text.find_first_of("0123456789");
    if (digit == std::string_view::npos) return shape;
    std::int64_t dim = 0;
    const char* const end = text.data() + text.size();
    const auto [next, error] = std::from_chars(text.data() + digit, end, dim);
    if (error != std::errc() || shape.rank() == Shape::kMaxRank ||
        __builtin_mul_overflow(count, dim, &count))
      reader.fail_at(reader.position(), "npy: shape ({}) is too large", text);
    shape.push_back(dim);
    text.remove_prefix(static_cast<std::size_t>(next - text.data()));
  }
}

Header parse_header(std::string_view text, const io::ByteReader& reader) {
  const auto descr = between(text, "'descr': '", '\'');
  const auto shape = between(text, "'shape': (", ')');
  const auto order = between(text, "'fortran_order': ", ',');
  if (!descr || !shape || !order)
    reader.fail_at(reader.position(), "npy: header without descr, fortran_order and shape");
  const auto type = std::ranges::find(kTypes, *descr, &std::pair<std::string_view, DType>::first);
  if (type == std::end(kTypes))
    fail(ErrorCode::unsupported, "{}: npy: type \"{}\" is not supported", reader.name(), *descr);
  return {type->second, *order == "True", parse_shape(*shape, reader)};
}

}  // namespace

Tensor io::parse_npy(const FileBytes& file) {
  io::ByteReader reader(file.bytes, file.name);
  const auto magic = reader.take(kMagic.size(), "npy magic");
  if (std::memcmp(magic.data(), kMagic.data(), kMagic.size()) != 0)
    reader.fail_at(0, "not a .npy file");
  const auto major = reader.read<std::uint8_t>("npy version");
  reader.read<std::uint8_t>("npy version");
  const std::uint32_t length = major == 1 ? reader.read<std::uint16_t>("npy header length")
                                          : reader.read<std::uint32_t>("npy header length");
  const auto bytes = reader.take(length, "npy header");
  const Header header =
      parse_header({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, reader);
  reader.require_left(static_cast<std::uint64_t>(header.shape.numel()), size_of(header.dtype),
                      "npy data");
  Shape stored = header.shape;
  if (header.by_column) {
    for (int axis = 0; axis < stored.rank(); ++axis)
      stored[axis] = header.shape[stored.rank() - 1 - axis];
  }
  Tensor tensor = Tensor::empty(stored, header.dtype);
  const auto count = static_cast<std::size_t>(tensor.numel()) * size_of(header.dtype);
  const auto data = reader.take(count, "npy data");
  if (header.dtype == DType::boolean) {
    std::ranges::transform(data, tensor.mutable_data<bool>().begin(),
                           [](std::byte byte) { return byte != std::byte{0}; });
  } else if (count > 0) {
    std::memcpy(tensor.mutable_raw(), data.data(), count);
  }
  if (!header.by_column) return tensor;
  Shape axes;
  for (int axis = stored.rank(); axis-- > 0;) axes.push_back(axis);
  return tensor.permute(axes).contiguous();
}

Tensor read_npy(const std::string& path) { return io::parse_npy(io::map_file(path)); }

void write_npy(const std::string& path, const Tensor& tensor) {
  const bool narrow = is_narrow(tensor.dtype()) || tensor.dtype() == DType::bf16;
  const Tensor dense = (narrow ? tensor.cast(DType::f32) : tensor).contiguous();
  const auto type =
      std::ranges::find(kTypes, dense.dtype(), &std::pair<std::string_view, DType>::second);
  if (type == std::end(kTypes))
    fail(ErrorCode::unsupported, "npy: dtype {} cannot be written", tensor.dtype());
  std::string shape;
  for (const std::int64_t dim : dense.shape()) shape += fmt::format("{}, ", dim);
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", type->first, shape);
  constexpr std::size_t kBefore = 10;  // magic, version and length
  constexpr std::size_t kAlignment = 64;
  header.append(kAlignment - 1 - (kBefore + header.size()) % kAlignment, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  const auto length = static_cast<std::uint16_t>(header.size());
  file << kMagic << '\x01' << '\0' << static_cast<char>(length & 0xff)
       << static_cast<char>(length >> 8) << header;
  file.write(static_cast<const char*>(dense.raw()),
             static_cast<std::streamsize>(static_cast<std::size_t>(dense.numel()) *
                                          size_of(dense.dtype())));
  file.flush();
  require(file.good(), "npy: cannot write \"{}\"", path);
}

}  // namespace quern
