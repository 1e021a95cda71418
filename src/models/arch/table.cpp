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

}  // namespace quern::models
