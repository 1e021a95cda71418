#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "quern/dtype.h"

namespace quern::models {

/// A layer that keeps nothing.
struct NoCache {};

/// A layer that keeps the keys and values of the tokens it may still see.
struct KeysAndValues {
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t window = 0;  ///< of these tokens only; 0: all
  DType dtype = DType::f32;
};

/// A layer that reads what another one, before it, keeps.
struct SharedCache {
  std::int64_t layer = 0;
};

using LayerCache = std::variant<NoCache, KeysAndValues, SharedCache>;

/// What a decoder keeps of a sequence, layer by layer.
struct CacheLayout {
  std::vector<LayerCache> layers;

  std::int64_t size() const { return static_cast<std::int64_t>(layers.size()); }
};

}  // namespace quern::models
