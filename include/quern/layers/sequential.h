#pragma once

#include <concepts>
#include <memory>
#include <utility>
#include <vector>

#include "quern/layers/module.h"

namespace quern {

/// Layers one after another. Weights: those of the layer at place i under "i", counting from 0 and
/// counting layers without weights, as PyTorch's nn.Sequential names them.
class QUERN_API Sequential : public Module {
 public:
  Sequential() = default;
  /// `Sequential{Linear{784, 256}, Relu{}, Linear{256, 10}}`.
  template <std::derived_from<Module>... Layers>
  requires(sizeof...(Layers) > 0 &&
           !(std::same_as<Layers, Sequential> && ...)) explicit Sequential(Layers... layers) {
    (add(std::move(layers)), ...);
  }

  template <std::derived_from<Module> Layer>
  void add(Layer layer) {
    layers_.push_back({std::make_shared<Layer>(std::move(layer)),
                       [](const Module& from) -> std::shared_ptr<Module> {
                         return std::make_shared<Layer>(static_cast<const Layer&>(from));
                       }});
  }

  void load(const WeightsView& weights) override;
  Tensor operator()(const Tensor& x) const override;

 private:
  struct Place {
    std::shared_ptr<const Module> layer;
    std::shared_ptr<Module> (*copy)(const Module& layer);
  };
  std::vector<Place> layers_;
};

}  // namespace quern
