#include "serve/ledger_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "serve/error.h"

namespace quern::serve {
namespace {

/// One name for all paths that lead to a ledger.
std::string lock_path(const std::string& ledger) {
  std::error_code error;
  const auto path = std::filesystem::weakly_canonical(ledger, error);
  return (error ? ledger : path.string()) + ".lock";
}

std::string holder_of(int file) {
  std::array<char, 256> text{};
  const ssize_t size = ::pread(file, text.data(), text.size(), 0);
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : "a process";
}

void write_holder(int file, std::string_view address) {
  const std::string text =
      fmt::format("process {}{}{}", ::getpid(), address.empty() ? "" : " at ", address);
  // It is for people only: where it cannot be written, the lock holds all the same.
  [[maybe_unused]] const bool written =
      ::ftruncate(file, 0) == 0 && ::pwrite(file, text.data(), text.size(), 0) >= 0;
}

}  // namespace

LedgerLock::LedgerLock(const std::string& ledger) {
  if (ledger.empty()) return;
  const std::string path = lock_path(ledger);
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file) fail(ErrorCode::not_found, "ledger: \"{}\": {}", path, std::strerror(errno));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      fail(ErrorCode::unsupported, "ledger: \"{}\" cannot be locked: {}", path,
           std::strerror(errno));
    }
    fail(ErrorCode::busy, "ledger \"{}\" is served by {}: a ledger takes one server at a time",
         ledger, holder_of(file.get()));
  }
  write_holder(file.get(), {});
  file_ = std::move(file);
}

void LedgerLock::announce(std::string_view address) const {
  if (file_) write_holder(file_.get(), address);
}

}  // namespace quern::serve
