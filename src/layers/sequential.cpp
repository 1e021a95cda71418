#include "quern/layers/sequential.h"

#include <string>

namespace quern {

void Sequential::load(const WeightsView& weights) {
  std::vector<Place> loaded = layers_;
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    const auto layer = loaded[i].copy(*loaded[i].layer);
    layer->load(weights[std::to_string(i)]);
    loaded[i].layer = layer;
  }
  layers_ = std::move(loaded);
}

Tensor Sequential::operator()(const Tensor& x) const {
  Tensor y = x;
  for (const Place& place : layers_) y = (*place.layer)(y);
  return y;
}

}  // namespace quern
