#pragma once

#include <span>
#include <type_traits>

#include "core/error.h"

namespace quern::ops {

/// One way to compute an operation. `run` returns false, having written nothing, where it cannot
/// take the arguments.
template <class Args>
struct Implementation {
  const char* name;
  bool (*run)(const Args& args);
};

/// Runs the first of an operation's implementations, best first, that takes `args`.
template <class Args>
void run_first(std::type_identity_t<std::span<const Implementation<Args>>> implementations,
               const Args& args) {
  for (const auto& implementation : implementations) {
    if (implementation.run(args)) return;
  }
  fail(ErrorCode::internal, "no implementation takes these arguments");
}

}  // namespace quern::ops
