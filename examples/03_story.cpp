// A language model: loads one and streams how it continues a text.
//
//   03_story [MODEL [PROMPT]]    MODEL is a .gguf file or a Hugging Face folder
#include <iostream>
#include <string_view>

#include "quern/llm.h"

int main(int argc, char** argv) {
  using namespace quern;
  const auto model = llm::Model::load(argc > 1 ? argv[1] : "examples/models/storyteller-q8_0.gguf");
  const std::string_view prompt = argc > 2 ? argv[2] : "Once upon a time";

  std::cout << prompt;
  const llm::Reply reply =
      model.generate(prompt, {.max_tokens = 100, .seed = 3}, [](std::string_view piece) {
        std::cout << piece << std::flush;
        return Flow::keep_going;
      });
  std::cout << "\n\n"
            << reply.usage.completion_tokens << " tokens at "
            << reply.timings.decode_rate(reply.usage) << " tokens/s\n";
  return reply.usage.completion_tokens > 0 ? 0 : 1;
}
