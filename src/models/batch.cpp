#include "models/batch.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace quern::models {

void Batch::add(KvSequence& sequence, std::span<const std::int32_t> ids) {
  tokens.insert(tokens.end(), ids.begin(), ids.end());
  parts.push_back({&sequence, static_cast<std::int64_t>(ids.size())});
}

void Batch::add_text(std::span<const std::int32_t> ids) {
  const auto begin = static_cast<std::int64_t>(tokens.size());
  tokens.insert(tokens.end(), ids.begin(), ids.end());
  parts.push_back({nullptr, static_cast<std::int64_t>(ids.size())});
  for (std::int64_t i = begin; i < std::ssize(tokens); ++i) wanted.push_back(i);
}

void Batch::checkpoint() const {
  const bool all = std::ranges::all_of(cancelled, [](const auto* flag) { return flag->load(); });
  if (all && !cancelled.empty()) fail(ErrorCode::cancelled, "generate: it was cancelled");
}

std::vector<std::int64_t> Batch::positions() const {
  std::vector<std::int64_t> places;
  places.reserve(tokens.size());
  for (const Part& part : parts) {
    const std::vector<std::int64_t> own = positions_of(part);
    places.insert(places.end(), own.begin(), own.end());
  }
  return places;
}

std::vector<std::int64_t> positions_of(const Batch::Part& part) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(part.count));
  std::iota(places.begin(), places.end(), part.sequence == nullptr ? 0 : part.sequence->length());
  return places;
}

}  // namespace quern::models
