#include "llm/text_stream.h"

#include <algorithm>
#include <utility>

namespace quern::llm {
namespace {

/// Length of the longest end of `text` that begins one of `stops`, without being all of it.
std::size_t possible_stop(std::string_view text, std::span<const std::string> stops) {
  std::size_t longest = 0;
  for (const std::string& stop : stops) {
    for (std::size_t size = std::min(stop.size() - 1, text.size()); size > longest; --size) {
      if (text.ends_with(std::string_view(stop).substr(0, size))) longest = size;
    }
  }
  return longest;
}

int sequence_length(unsigned char lead) {
  if (lead >= 0xf0 && lead < 0xf8) return 4;
  if (lead >= 0xe0) return lead < 0xf0 ? 3 : 1;
  return lead >= 0xc0 ? 2 : 1;
}

/// Bytes at the end of `text` that begin a UTF-8 sequence and do not finish it.
std::size_t unfinished_utf8(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;
    return static_cast<std::size_t>(sequence_length(byte)) > back ? back : 0;
  }
  return 0;
}

}  // namespace

std::string TextStream::push(std::string_view bytes) {
  if (stopped_) return {};
  held_ += bytes;
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    stopped_ = true;
    held_.resize(first);
    return std::exchange(held_, {});
  }
  const std::size_t keep = std::max(possible_stop(held_, stops_), unfinished_utf8(held_));
  std::string shown = held_.substr(0, held_.size() - keep);
  held_.erase(0, shown.size());
  // A held stop may begin after an unfinished sequence began.
  const std::size_t cut = unfinished_utf8(shown);
  held_.insert(0, shown.substr(shown.size() - cut));
  shown.resize(shown.size() - cut);
  return shown;
}

std::string TextStream::finish() {
  const std::size_t broken = unfinished_utf8(held_);
  std::string rest = std::exchange(held_, {});
  if (broken > 0) rest.replace(rest.size() - broken, broken, "\xef\xbf\xbd");
  return rest;
}

}  // namespace quern::llm
