#include "io/onnx_tensor.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <type_traits>

#include "core/error.h"
#include "core/format.h"
#include "core/visit.h"

namespace quern::io::onnx {
namespace {

constexpr std::optional<DType> kDataTypes[] = {
    std::nullopt,      DType::f32,  DType::u8,       DType::i8,         DType::u16,
    DType::i16,        DType::i32,  DType::i64,      DType::string,     DType::boolean,
    DType::f16,        DType::f64,  DType::u32,      DType::u64,        std::nullopt,
    std::nullopt,      DType::bf16, DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2,
    DType::f8e5m2fnuz, DType::u4,   DType::i4,       DType::f4e2m1,     DType::f8e8m0,
    DType::u2,         DType::i2};

/// The fields of a TensorProto, whichever of them it fills.
struct Fields {
  std::string name;
  std::vector<std::int64_t> dims;
  std::int64_t data_type = 0;
  std::optional<protozero::data_view> raw_data;
  std::vector<protozero::data_view> strings;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::int32_t> int32s;
  std::vector<std::int64_t> int64s;
  std::vector<std::uint64_t> uint64s;
  std::vector<std::pair<std::string, std::string>> external;
  bool is_external = false;
};

Fields read_fields(protozero::pbf_reader reader) {
  using Reader = protozero::pbf_reader;
  Fields fields;
  while (reader.next()) {
    switch (reader.tag()) {
      case 1:
        append(fields.dims, reader, &Reader::get_packed_int64, &Reader::get_int64);
        break;
      case 2:
        fields.data_type = reader.get_int32();
        break;
      case 4:
        append(fields.floats, reader, &Reader::get_packed_float, &Reader::get_float);
        break;
      case 5:
        append(fields.int32s, reader, &Reader::get_packed_int32, &Reader::get_int32);
        break;
      case 6:
        fields.strings.push_back(reader.get_view());
        break;
      case 7:
        append(fields.int64s, reader, &Reader::get_packed_int64, &Reader::get_int64);
        break;
      case 8:
        fields.name = reader.get_string();
        break;
      case 9:
        fields.raw_data = reader.get_view();
        break;
      case 10:
        append(fields.doubles, reader, &Reader::get_packed_double, &Reader::get_double);
        break;
      case 11:
        append(fields.uint64s, reader, &Reader::get_packed_uint64, &Reader::get_uint64);
        break;
      case 13:
        fields.external.push_back(read_entry(reader.get_message()));
        break;
      case 14:
        fields.is_external = reader.get_int32() == 1;
        break;
      default:
        reader.skip();
    }
  }
  return fields;
}

/// Turns the fields of one tensor into it; errors name the tensor and its offset in the file.
class Builder {
 public:
  Builder(Fields fields, std::size_t offset, const Source& source)
      : fields_(std::move(fields)), offset_(offset), source_(source) {
    dtype_ = dtype_of_code(fields_.data_type, source);
    if (fields_.dims.size() > static_cast<std::size_t>(Shape::kMaxRank))
      fail_here("{} dimensions, at most {}", fields_.dims.size(), Shape::kMaxRank);
    std::int64_t count = 1;
    for (const std::int64_t dim : fields_.dims) {
      if (dim < 0 || __builtin_mul_overflow(count, dim, &count))
        fail_here("a dimension of {}", dim);
    }
    shape_ = Shape(fields_.dims);
    count_ = static_cast<std::size_t>(count);
  }

  NamedTensor build() {
    if (fields_.is_external) return {fields_.name, from_external()};
    if (dtype_ == DType::string) return {fields_.name, from_strings()};
    if (fields_.raw_data) {
      const auto* data = reinterpret_cast<const std::byte*>(fields_.raw_data->data());
      return {fields_.name, from_bytes({data, fields_.raw_data->size()}, source_.file)};
    }
    return {fields_.name, from_typed_field()};
  }

 private:
  template <class... Args>
  [[noreturn]] void fail_here(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::corrupt_file, "{}: tensor \"{}\": {} (at byte {})", source_.file.name,
         fields_.name, fmt::format(format, std::forward<Args>(args)...), offset_);
  }

  int bits() const {
    if (dtype_ == DType::i4 || dtype_ == DType::u4 || dtype_ == DType::f4e2m1) return 4;
    if (dtype_ == DType::i2 || dtype_ == DType::u2) return 2;
    return static_cast<int>(8 * size_of(dtype_));
  }

  Tensor from_bytes(std::span<const std::byte> bytes, const FileBytes& file) {
    const auto width = static_cast<std::size_t>(bits());
    const std::size_t expected =
        width >= 8 ? count_ * (width / 8) : (count_ + 8 / width - 1) / (8 / width);
    if (width >= 8 && expected / (width / 8) != count_) fail_here("shape {} is too large", shape_);
    if (bytes.size() != expected)
      fail_here("shape {} of {} takes {} bytes, got {}", shape_, dtype_, expected, bytes.size());
    if (width < 8) return unpack(bytes, width);
    if (dtype_ == DType::boolean) return booleans(bytes);
    const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % size_of(dtype_) == 0;
    if (aligned && file.owner != nullptr) {
      return Tensor::view_of(const_cast<std::byte*>(bytes.data()), count_, dtype_, shape_,
                             owner_of(file, bytes));
    }
    Tensor tensor = Tensor::empty(shape_, dtype_);
    if (!bytes.empty()) std::memcpy(tensor.mutable_raw(), bytes.data(), bytes.size());
    release_pages(file, bytes);
    return tensor;
  }

  Tensor unpack(std::span<const std::byte> bytes, std::size_t width) const {
    Tensor tensor = Tensor::empty(shape_, dtype_);
    auto* to = static_cast<std::uint8_t*>(tensor.mutable_raw());
    const std::size_t each = 8 / width;
    const unsigned mask = (1u << width) - 1;
    for (std::size_t i = 0; i < count_; ++i) {
      const auto byte = std::to_integer<unsigned>(bytes[i / each]);
      to[i] = static_cast<std::uint8_t>((byte >> (i % each * width)) & mask);
    }
    return tensor;
  }

  Tensor booleans(std::span<const std::byte> bytes) const {
    Tensor tensor = Tensor::empty(shape_, DType::boolean);
    std::ranges::transform(bytes, tensor.mutable_data<bool>().begin(),
                           [](std::byte byte) { return byte != std::byte{0}; });
    return tensor;
  }

  Tensor from_strings() const {
    if (fields_.strings.size() != count_)
      fail_here("shape {} takes {} strings, got {}", shape_, count_, fields_.strings.size());
    Tensor tensor = Tensor::empty(shape_, DType::string);
    std::ranges::transform(fields_.strings, tensor.mutable_data<std::string>().begin(),
                           [](const auto& view) { return std::string(view); });
    return tensor;
  }

  template <class T, class Stored>
  Tensor converted(const std::vector<Stored>& values) const {
    if (values.size() != count_)
      fail_here("shape {} takes {} values, got {}", shape_, count_, values.size());
    Tensor tensor = Tensor::empty(shape_, dtype_);
    auto* to = static_cast<T*>(tensor.mutable_raw());
    for (const Stored value : values) *to++ = static_cast<T>(value);
    return tensor;
  }

  Tensor from_typed_field() const {
    switch (dtype_) {
      case DType::f32:
        return converted<float>(fields_.floats);
      case DType::f64:
        return converted<double>(fields_.doubles);
      case DType::i64:
        return converted<std::int64_t>(fields_.int64s);
      case DType::u64:
        return converted<std::uint64_t>(fields_.uint64s);
      case DType::u32:
        return converted<std::uint32_t>(fields_.uint64s);
      case DType::i32:
        return converted<std::int32_t>(fields_.int32s);
      case DType::boolean:
        return converted<bool>(fields_.int32s);
      default:
        break;
    }
    if (bits() < 8) return unpack(packed_bytes(), static_cast<std::size_t>(bits()));
    return size_of(dtype_) == 2 ? converted<std::uint16_t>(fields_.int32s)
                                : converted<std::uint8_t>(fields_.int32s);
  }

  std::vector<std::byte> packed_bytes() const {
    const std::size_t each = 8 / static_cast<std::size_t>(bits());
    std::vector<std::byte> bytes;
    for (const std::int32_t value : fields_.int32s) bytes.push_back(static_cast<std::byte>(value));
    if (bytes.size() != (count_ + each - 1) / each)
      fail_here("shape {} of {} takes {} bytes, got {}", shape_, dtype_, (count_ + each - 1) / each,
                bytes.size());
    return bytes;
  }

  std::string external(std::string_view key) const {
    for (const auto& [name, value] : fields_.external) {
      if (name == key) return value;
    }
    return {};
  }

  std::size_t external_number(std::string_view key, std::size_t fallback) const {
    const std::string text = external(key);
    if (text.empty()) return fallback;
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
      fail_here("external data: \"{}\" is \"{}\"", key, text);
    return number;
  }

  Tensor from_external() {
    if (dtype_ == DType::string) fail_here("strings cannot be external data");
    const std::string location = external("location");
    const FileBytes file = map_file(contained_path(location));
    const std::size_t start = external_number("offset", 0);
    if (start > file.bytes.size())
      fail_here("external data: offset {} is beyond \"{}\"", start, location);
    const std::size_t length = external_number("length", file.bytes.size() - start);
    if (length > file.bytes.size() - start)
      fail_here("external data: {} bytes at {} pass the end of \"{}\"", length, start, location);
    return from_bytes(file.bytes.subspan(start, length), file);
  }

  // The path of a data file, which must lie within the model's folder, links followed.
  std::string contained_path(const std::string& location) const {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path folder =
        fs::weakly_canonical(source_.folder.empty() ? "." : source_.folder, error);
    const fs::path path = fs::weakly_canonical(folder / location, error);
    const auto [end, rest] = std::ranges::mismatch(folder, path);
    const bool contained = !error && !location.empty() && end == folder.end() && rest != path.end();
    if (!contained) fail_here("external data \"{}\" is not within the model's folder", location);
    return path.string();
  }

  Fields fields_;
  std::size_t offset_;
  const Source& source_;
  DType dtype_ = DType::f32;
  Shape shape_;
  std::size_t count_ = 0;
};

}  // namespace

std::pair<std::string, std::string> read_entry(protozero::pbf_reader reader) {
  std::pair<std::string, std::string> entry;
  while (reader.next()) {
    if (reader.tag() == 1) {
      entry.first = reader.get_string();
    } else if (reader.tag() == 2) {
      entry.second = reader.get_string();
    } else {
      reader.skip();
    }
  }
  return entry;
}

std::optional<DType> find_dtype(std::int64_t code) noexcept {
  const bool in_table = code > 0 && code < static_cast<std::int64_t>(std::size(kDataTypes));
  return in_table ? kDataTypes[code] : std::nullopt;
}

DType dtype_of_code(std::int64_t code, const Source& source) {
  const auto dtype = find_dtype(code);
  if (!dtype)
    fail(ErrorCode::unsupported, "{}: element type {} is not supported", source.file.name, code);
  return *dtype;
}

NamedTensor read_tensor(protozero::data_view bytes, const Source& source) {
  return Builder(read_fields(protozero::pbf_reader(bytes)), source.offset(bytes), source).build();
}

}  // namespace quern::io::onnx
