// A whole chat program.
//
//   04_chat [MODEL]    a .gguf file or a Hugging Face folder; best one that was trained to chat
#include <iostream>
#include <string>

#include "quern/llm.h"

int main(int argc, char** argv) {
  using namespace quern;
  const auto model = llm::Model::load(argc > 1 ? argv[1] : "examples/models/storyteller-q8_0.gguf");
  llm::Chat chat{model, {.system = "Answer in one sentence."}};
  for (std::string line; std::cout << "> " && std::getline(std::cin, line);) {
    chat.send(line, {.max_tokens = 128}, [](std::string_view piece) {
      std::cout << piece << std::flush;
      return Flow::keep_going;
    });
    std::cout << "\n";
  }
}
