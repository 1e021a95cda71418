#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <utility>

namespace quern::serve {

/// `quern serve` with a configuration, on a free port, in a process of its own.
class ServerProcess {
 public:
  explicit ServerProcess(const std::string& config) {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    process_ = fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      close(ends[1]);
      execl(QUERN_PROGRAM, "quern", "serve", "--config", config.c_str(), "--port", "0",
            static_cast<char*>(nullptr));
      _exit(127);
    }
    close(ends[1]);
    errors_ = fdopen(ends[0], "r");
    REQUIRE(errors_ != nullptr);
    const std::string line = read_line();  // "quern serves at http://127.0.0.1:41234"
    REQUIRE_MESSAGE(line.starts_with("quern serves at "), line);
    port_ = std::stoi(line.substr(line.rfind(':') + 1));
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() {
    send(SIGKILL);
    wait();
    fclose(errors_);
  }

  int port() const { return port_; }
  pid_t id() const { return process_; }

  void send(int signal) const {
    if (process_ > 0) ::kill(process_, signal);
  }
  /// The exit code; -1 where a signal ended it.
  int wait() {
    int status = 0;
    if (process_ > 0) waitpid(std::exchange(process_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  /// The next line that it writes to its standard error.
  std::string read_line() {
    std::array<char, 256> line{};
    return fgets(line.data(), line.size(), errors_) == nullptr ? std::string() : line.data();
  }

 private:
  pid_t process_ = -1;
  FILE* errors_ = nullptr;
  int port_ = 0;
};

}  // namespace quern::serve
