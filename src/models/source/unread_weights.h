#pragma once

#include <set>
#include <string>

#include "quern/weights.h"

namespace quern::models {

/// Refuses tensors that a model's file has and the decoder would pass over though they change what
/// the others mean. `read` names those that it reads, where they are there. Throws: `unsupported`.
void refuse_unread(const Weights& weights, const std::set<std::string, std::less<>>& read,
                   bool is_gguf);

/// Throws: `unsupported` where a weight holds integers, which are codes of some quantisation.
void require_values(const Weight& weight, std::string_view name);

}  // namespace quern::models
