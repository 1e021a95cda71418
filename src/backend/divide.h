#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "backend/operation.h"

namespace quern::backend {

constexpr std::size_t kSlots = static_cast<std::size_t>(Slot::post_op3) + 1;

/// Where a slice's part of each argument begins, in bytes.
using Offsets = std::array<std::int64_t, kSlots>;

/// Channels of a result: what [begin, end) of an axis of a constant weight makes.
struct Channels {
  int axis = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;  ///< 0: all of them
};

/// A part of an operation's result, as an operation of its own.
template <class Desc>
struct Slice {
  Desc desc;
  Offsets offsets{};
  Channels channels{};
};

/// The slice with its result and operands of the result's shape without gaps, for kernels that
/// want them so. Nothing where it has them, or adds to what lies there.
std::optional<MatMulDesc> without_gaps(const MatMulDesc& slice);
std::optional<ConvDesc> without_gaps(const ConvDesc& slice);

/// Where an operation may be divided along rows of its result or along channels: as is best, or the
/// other way.
enum class Way { best, other };

/// The operation in about `slices` slices of about the same size, which write different elements;
/// one where it has no axis for that. What comes out depends on nothing else.
std::vector<Slice<MatMulDesc>> divide(const MatMulDesc& desc, int slices, Way way = Way::best);
std::vector<Slice<ConvDesc>> divide(const ConvDesc& desc, int slices, Way way = Way::best);
std::vector<Slice<PoolDesc>> divide(const PoolDesc& desc, int slices);
std::vector<Slice<SoftmaxDesc>> divide(const SoftmaxDesc& desc, int slices);
std::vector<Slice<LayerNormDesc>> divide(const LayerNormDesc& desc, int slices);
std::vector<Slice<EltwiseDesc>> divide(const EltwiseDesc& desc, int slices);
std::vector<Slice<BinaryDesc>> divide(const BinaryDesc& desc, int slices);
std::vector<Slice<ReductionDesc>> divide(const ReductionDesc& desc, int slices);
std::vector<Slice<ReorderDesc>> divide(const ReorderDesc& desc, int slices);

}  // namespace quern::backend
