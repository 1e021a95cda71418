// The service, from a program that found it by pkg-config: a configuration that no server can have.
#include "quern/error.h"
#include "quern/serve.h"

int main() {
  try {
    quern::serve::Server server{{.port = 70000}};
    server.start();
  } catch (const quern::Error& error) {
    return error.code() == quern::ErrorCode::invalid_argument ? 0 : 1;
  }
  return 1;
}
