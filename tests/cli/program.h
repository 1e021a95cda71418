#pragma once

#include <stdlib.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>
#include <string>

#include "support/temporary_folder.h"

namespace quern {

/// How a run of the program ended, and what it said.
struct Run {
  int exit_code = -1;
  std::string out;
  std::string err;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Runs the program that was built beside the tests; arguments are the shell's.
inline Run run(const std::string& arguments) {
  const TemporaryFolder folder;
  std::string command = "'" QUERN_PROGRAM "' ";
  command.append(arguments).append(" >").append(folder.path("out"));
  command.append(" 2>").append(folder.path("err"));
  const int status = std::system(command.c_str());
  return {WEXITSTATUS(status), read_file(folder.path("out")), read_file(folder.path("err"))};
}

}  // namespace quern
