// Puts a model behind an HTTP API in the shape of OpenAI's, until the input ends: 05_server [PORT
// [MODEL]]
#include <iostream>
#include <iterator>
#include <string>

#include "quern/serve.h"

int main(int argc, char** argv) {
  using namespace quern;
  serve::Server server{{.port = argc > 1 ? std::stoi(argv[1]) : 8080}};
  server.add("story",
             llm::Model::load(argc > 2 ? argv[2] : "examples/models/storyteller-q8_0.gguf"));
  server.start();
  std::cout << "http://127.0.0.1:" << server.port() << std::endl;
  std::string(std::istreambuf_iterator<char>(std::cin), {});
  server.stop(std::chrono::seconds{10});
}
