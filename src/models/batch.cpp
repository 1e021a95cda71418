#include <algorithm>

#include "core/error.h"
#include "models/arch/architecture.h"

namespace quern::models {

void Batch::add(KvSequence& sequence, std::span<const TokenId> ids) {
  tokens.insert(tokens.end(), ids.begin(), ids.end());
  parts.push_back({&sequence, static_cast<std::int64_t>(ids.size())});
}

void Batch::checkpoint() const {
  const bool all = std::ranges::all_of(cancelled, [](const auto* flag) { return flag->load(); });
  if (all && !cancelled.empty()) fail(ErrorCode::cancelled, "generate: it was cancelled");
}

std::vector<std::int64_t> Batch::positions() const {
  std::vector<std::int64_t> places;
  places.reserve(tokens.size());
  for (const Part& part : parts) {
    for (std::int64_t i = 0; i < part.count; ++i) places.push_back(part.sequence->length() + i);
  }
  return places;
}

}  // namespace quern::models
