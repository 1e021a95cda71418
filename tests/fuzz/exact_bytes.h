#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>

namespace quern::fuzz {

/// Bytes in memory of just their size, so that a sanitizer sees the first one past their end.
class ExactBytes {
 public:
  explicit ExactBytes(std::span<const std::byte> bytes)
      : bytes_(std::make_unique<std::byte[]>(bytes.size())), size_(bytes.size()) {
    std::ranges::copy(bytes, bytes_.get());
  }
  explicit ExactBytes(const std::filesystem::path& file) : size_(std::filesystem::file_size(file)) {
    bytes_ = std::make_unique<std::byte[]>(size_);
    std::ifstream stream(file, std::ios::binary);
    std::transform(std::istreambuf_iterator<char>(stream), {}, bytes_.get(),
                   [](char c) { return static_cast<std::byte>(c); });
  }

  std::span<std::byte> span() const { return {bytes_.get(), size_}; }
  std::size_t size() const { return size_; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_;
};

}  // namespace quern::fuzz
