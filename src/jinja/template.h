#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <string_view>

#include "jinja/value.h"

namespace quern::jinja {

struct Program;

/// How much a rendering may do, so that no template takes a process's time or memory.
struct RenderOptions {
  std::int64_t max_steps = 20'000'000;
  std::int64_t max_bytes = std::int64_t{1} << 30;  ///< of all texts and lists that it makes
  int max_levels = 700;                            ///< of expressions, statements and macros
  std::time_t now = 0;  ///< what `strftime_now` shows, as local time; 0: the time it is
};

/// A chat template: Jinja as transformers runs it. Immutable; safe to share between threads.
class Template {
 public:
  /// Throws: `corrupt_file` with the line and what was expected; `unsupported`.
  static Template parse(std::string_view source);

  /// What the template writes where its names are the members of `data`. Throws:
  /// `invalid_argument` for what it refuses or cannot do with this data; `unsupported` past a
  /// limit; each with the line.
  Text render(const Dict& data, const RenderOptions& options = {}) const;

 private:
  std::shared_ptr<const Program> program_;
};

}  // namespace quern::jinja
