#include "models/arch/architecture.h"

#include <algorithm>

namespace quern::models {

Architecture llama();

std::span<const Architecture> architectures() {
  static const Architecture table[] = {llama()};
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
