#include "models/arch/architecture.h"

#include <algorithm>

namespace quern::models {

Architecture apertus();
Architecture arcee();
Architecture bitnet();
Architecture cohere();
Architecture cohere2();
Architecture ernie4_5();
Architecture eurobert();
Architecture exaone4();
Architecture falcon();
Architecture gemma();
Architecture gemma2();
Architecture gemma3();
Architecture glm();
Architecture glm4();
Architecture gpt2();
Architecture gpt_bigcode();
Architecture gpt_neox();
Architecture gptj();
Architecture granite();
Architecture helium();
Architecture hunyuan();
Architecture jais2();
Architecture llama();
Architecture ministral3();
Architecture nanochat();
Architecture nemotron();
Architecture olmo();
Architecture olmo2();
Architecture opt();
Architecture phi2();
Architecture phi3();
Architecture qwen2();
Architecture qwen3();
Architecture seed_oss();
Architecture smollm3();
Architecture stablelm();
Architecture starcoder2();
Architecture vaultgemma();

std::span<const Architecture> architectures() {
  static const Architecture table[] = {
      apertus(),  arcee(),       bitnet(),     cohere(),   cohere2(),  ernie4_5(), eurobert(),
      exaone4(),  falcon(),      gemma(),      gemma2(),   gemma3(),   glm(),      glm4(),
      gpt2(),     gpt_bigcode(), gpt_neox(),   gptj(),     granite(),  helium(),   hunyuan(),
      jais2(),    llama(),       ministral3(), nanochat(), nemotron(), olmo(),     olmo2(),
      opt(),      phi2(),        phi3(),       qwen2(),    qwen3(),    seed_oss(), smollm3(),
      stablelm(), starcoder2(),  vaultgemma()};
  return table;
}

const Architecture* find_architecture(std::string_view alias) {
  for (const Architecture& architecture : architectures()) {
    if (std::ranges::find(architecture.aliases, alias) != architecture.aliases.end())
      return &architecture;
  }
  return nullptr;
}

std::string known_architectures() {
  std::string names;
  for (const Architecture& architecture : architectures()) {
    for (const std::string_view alias : architecture.aliases)
      names += (names.empty() ? "" : ", ") + std::string(alias);
  }
  return names;
}

}  // namespace quern::models
