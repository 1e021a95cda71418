#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cstddef>

namespace quern::serve {

/// While it lives, no file may grow beyond `bytes`: as a full disk, writing fails.
class FullDisk {
 public:
  explicit FullDisk(std::size_t bytes) {
    before_ = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit_);
    rlimit full = limit_;
    full.rlim_cur = bytes;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &full) == 0);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &limit_);
    signal(SIGXFSZ, before_);
  }

 private:
  rlimit limit_{};
  void (*before_)(int) = nullptr;
};

}  // namespace quern::serve
