#include "ops/channel_shuffle.h"

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "ops/layout.h"

namespace quern::ops {
namespace {

/// How the channels of one place lie in the source, and where those of one part go.
struct Turns {
  std::int64_t groups, k, parts;
  std::int64_t pitch;  ///< of the source

  std::int64_t width() const { return groups * k / parts; }
};

template <class T>
void take_turns(const Turns& turns, const T* src, std::int64_t places, T* dst) {
  const std::int64_t count = turns.k / turns.parts;
  for (std::int64_t place = 0; place < places; ++place, src += turns.pitch, dst += turns.width()) {
    if (turns.groups == 2) {
      const T* first = src;
      const T* second = src + turns.k;
      for (std::int64_t j = 0; j < count; ++j) {
        dst[2 * j] = first[j];
        dst[2 * j + 1] = second[j];
      }
      continue;
    }
    for (std::int64_t i = 0; i < turns.groups; ++i) {
      for (std::int64_t j = 0; j < count; ++j) dst[j * turns.groups + i] = src[i * turns.k + j];
    }
  }
}

template <class T>
void shuffle_places(const Tensor& x, const Turns& turns, std::vector<Tensor>& parts) {
  constexpr std::int64_t kGrain = 1 << 14;
  const std::int64_t places = x.numel() / x.dim(1);
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const auto* src =
        static_cast<const T*>(x.raw()) + static_cast<std::int64_t>(part) * (turns.k / turns.parts);
    auto* dst = static_cast<T*>(parts[part].mutable_raw());
    parallel_for(places, 1 + kGrain / turns.width(), [&](std::int64_t begin, std::int64_t end) {
      take_turns(turns, src + begin * turns.pitch, end - begin, dst + begin * turns.width());
    });
  }
}

/// By copies of any layout and dtype.
std::vector<Tensor> shuffle_plain(const Tensor& x, const Turns& turns) {
  Shape grouped{x.dim(0), turns.groups, turns.k};
  Shape order{0, 2, 1};
  for (int axis = 2; axis < x.rank(); ++axis) {
    grouped.push_back(x.dim(axis));
    order.push_back(axis + 1);
  }
  const Tensor y = x.reshape(grouped).permute(order).reshape(x.shape());
  std::vector<Tensor> parts;
  for (std::int64_t part = 0; part < turns.parts; ++part)
    parts.push_back(y.slice(1, part * turns.width(), (part + 1) * turns.width()));
  return parts;
}

}  // namespace

std::vector<Tensor> shuffle_channels(const Tensor& x, std::int64_t groups, std::int64_t parts) {
  require(x.rank() >= 3 && groups > 0 && parts > 0 && x.dim(1) % (groups * parts) == 0,
          "shuffle_channels: {} in {} groups and {} parts", x.shape(), groups, parts);
  const auto pitch = channel_pitch(x);
  Turns turns{groups, x.dim(1) / groups, parts, pitch.value_or(0)};
  const std::size_t size = size_of(x.dtype());
  const bool by_place = pitch && !x.is_contiguous() && x.numel() > 0 &&
                        x.dtype() != DType::string && (size == 1 || size == 2 || size == 4);
  if (!by_place) return shuffle_plain(x, turns);
  std::vector<Tensor> results;
  Shape shape = x.shape();
  shape[1] = turns.width();
  for (std::int64_t part = 0; part < parts; ++part)
    results.push_back(empty_in(Layout::channels_last, shape, x.dtype()));
  if (size == 1) shuffle_places<std::uint8_t>(x, turns, results);
  if (size == 2) shuffle_places<std::uint16_t>(x, turns, results);
  if (size == 4) shuffle_places<std::uint32_t>(x, turns, results);
  return results;
}

}  // namespace quern::ops
