#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "quern/tensor.h"

namespace quern::ops {

/// A compiled pattern that strings match as a whole; see regex_full_match.
///
/// Immutable, so safe to share between threads.
class TextPattern {
 public:
  /// Throws: `unsupported`.
  explicit TextPattern(std::string_view pattern);

  /// Throws: `unsupported` where the text can be in too many places of the pattern at once.
  bool matches(std::string_view text) const;
  /// bool, for each string of x.
  Tensor match(const Tensor& x) const;

 private:
  std::string pattern_;
  std::shared_ptr<const void> code_;
};

}  // namespace quern::ops
