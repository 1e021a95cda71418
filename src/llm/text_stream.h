#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern::llm {

/// Cuts a growing text into pieces that can be shown: whole UTF-8 sequences, and nothing that may
/// turn out to begin a stop string.
class TextStream {
 public:
  explicit TextStream(std::span<const std::string> stops) : stops_(stops.begin(), stops.end()) {}

  /// Takes bytes and returns what can be shown now.
  std::string push(std::string_view bytes);
  /// Returns the rest, once no more bytes come; an unfinished UTF-8 sequence becomes U+FFFD.
  std::string finish();
  /// Whether a stop string has come; what follows it, and the stop itself, is dropped.
  bool stopped() const noexcept { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace quern::llm
