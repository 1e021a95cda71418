// Asks a server, and prints the answer as it comes: 06_client [URL]
#include <iostream>

#include "quern/serve.h"

int main(int argc, char** argv) {
  quern::serve::Client client{{.url = argc > 1 ? argv[1] : "http://127.0.0.1:8080"}};
  const std::vector<quern::ChatMessage> messages{{"user", "Tell me a story about a cat."}};
  client.chat("story", messages, {.max_tokens = 64}, [](std::string_view piece) {
    std::cout << piece << std::flush;
    return quern::Flow::keep_going;
  });
  std::cout << std::endl;
}
