#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "core/error.h"

namespace quern::io {
namespace {

struct Descriptor {
  explicit Descriptor(int number) : value(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
  const int value;
};

[[noreturn]] void fail_with_errno(const std::string& path) {
  const int error = errno;
  const bool missing = error == ENOENT || error == ENOTDIR;
  fail(missing ? ErrorCode::not_found : ErrorCode::invalid_argument, "{}: cannot be read: {}", path,
       std::generic_category().message(error));
}

}  // namespace

FileBytes map_file(const std::string& path) {
  // Without O_NONBLOCK, opening a pipe would wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.value < 0) fail_with_errno(path);
  struct stat status {};
  if (::fstat(file.value, &status) != 0) fail_with_errno(path);
  require(!S_ISDIR(status.st_mode), "{}: expected a file, got a folder", path);
  require(S_ISREG(status.st_mode), "{}: expected a file, got a device or pipe", path);
  if (status.st_size == 0) fail(ErrorCode::corrupt_file, "{}: the file is empty (at byte 0)", path);

  const auto size = static_cast<std::size_t>(status.st_size);
  // Writable, yet private: who writes to a tensor that views the file gets pages of its own.
  constexpr int kFlags = MAP_PRIVATE | MAP_NORESERVE;
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, kFlags, file.value, 0);
  if (address == MAP_FAILED) fail_with_errno(path);
  const std::shared_ptr<const void> owner(
      address, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); });
  return {path, {static_cast<const std::byte*>(address), size}, owner, true};
}

void release_pages(const FileBytes& file, std::span<const std::byte> part) noexcept {
  if (!file.is_mapped) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data());
  const std::uintptr_t first = (begin + page - 1) / page * page;  // others share the pages around
  const std::uintptr_t last = (begin + part.size()) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

std::shared_ptr<const void> owner_of(const FileBytes& file, std::span<const std::byte> part) {
  if (!file.is_mapped) return file.owner;
  return {part.data(), [file, part](const void*) { release_pages(file, part); }};
}

}  // namespace quern::io
