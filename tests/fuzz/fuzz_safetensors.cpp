#include "fuzz/targets.h"
#include "fuzz/use.h"
#include "io/safetensors.h"

namespace quern::fuzz {

void safetensors(std::span<const std::byte> bytes) {
  allow_refusal([&] {
    const auto file = io::parse_safetensors({"fuzz.safetensors", bytes, nullptr});
    for (const auto& [name, weight] : file.weights) use(weight);
  });
}

}  // namespace quern::fuzz
