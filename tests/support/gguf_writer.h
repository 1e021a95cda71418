#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "quern/shape.h"

namespace quern {

/// Makes the bytes of a GGUF file, version 3.
class GgufWriter {
 public:
  template <class T>
  void set(const std::string& key, const T& value) {
    std::string bytes;
    if constexpr (std::is_convertible_v<T, std::string>) {
      put<std::uint32_t>(bytes, 8);
      put_string(bytes, value);
    } else {
      put<std::uint32_t>(bytes, type_of<T>());
      put(bytes, value);
    }
    metadata_[key] = bytes;
  }
  template <class T>
  void set_array(const std::string& key, const std::vector<T>& values) {
    std::string bytes;
    put<std::uint32_t>(bytes, 9);
    put<std::uint32_t>(bytes, std::is_same_v<T, std::string> ? 8 : type_of<T>());
    put<std::uint64_t>(bytes, values.size());
    for (const T& value : values) {
      if constexpr (std::is_same_v<T, std::string>) {
        put_string(bytes, value);
      } else {
        put(bytes, value);
      }
    }
    metadata_[key] = bytes;
  }
  void erase(const std::string& key) { metadata_.erase(key); }

  /// A tensor of f32, outermost axis first.
  void add(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    std::string bytes(values.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    add_bytes(name, shape, 0, bytes);
  }
  /// One of the type with the number `type`.
  void add_bytes(const std::string& name, const Shape& shape, std::uint32_t type,
                 std::string bytes) {
    bytes.resize((bytes.size() + 31) / 32 * 32);
    tensors_.push_back({name, shape, type, std::move(bytes)});
  }

  std::string bytes() const {
    std::string file = "GGUF";
    put<std::uint32_t>(file, 3);
    put<std::uint64_t>(file, tensors_.size());
    put<std::uint64_t>(file, metadata_.size());
    for (const auto& [key, value] : metadata_) {
      put_string(file, key);
      file += value;
    }
    std::uint64_t offset = 0;
    for (const Entry& tensor : tensors_) {
      put_string(file, tensor.name);
      put(file, static_cast<std::uint32_t>(tensor.shape.rank()));
      for (int axis = tensor.shape.rank() - 1; axis >= 0; --axis)
        put<std::int64_t>(file, tensor.shape[axis]);
      put(file, tensor.type);
      put(file, offset);
      offset += tensor.bytes.size();
    }
    file.resize((file.size() + 31) / 32 * 32);
    for (const Entry& tensor : tensors_) file += tensor.bytes;
    return file;
  }

 private:
  struct Entry {
    std::string name;
    Shape shape;
    std::uint32_t type;
    std::string bytes;
  };

  template <class T>
  static constexpr std::uint32_t type_of() {
    if (std::is_same_v<T, std::uint16_t>) return 2;
    if (std::is_same_v<T, std::uint32_t>) return 4;
    if (std::is_same_v<T, std::int32_t>) return 5;
    if (std::is_same_v<T, float>) return 6;
    if (std::is_same_v<T, bool>) return 7;
    return std::is_same_v<T, std::uint64_t> ? 10 : 12;
  }
  template <class T>
  static void put(std::string& bytes, T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void put_string(std::string& bytes, const std::string& text) {
    put<std::uint64_t>(bytes, text.size());
    bytes += text;
  }

  std::map<std::string, std::string> metadata_;
  std::vector<Entry> tensors_;
};

}  // namespace quern
