// Layers: a small convolutional network for images of 28 x 28 digits, as PyTorch's
//   nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
//                 nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
//                 nn.Linear(16, 10), nn.Softmax(-1))
// whose state_dict safetensors.torch.save_file has written.
//
//   07_cnn [cnn.safetensors]    without a file, the weights are random
#include <cmath>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "quern/layers.h"
#include "quern/weights.h"

namespace {

using namespace quern;

std::mt19937 generator(1);

Tensor random_tensor(const Shape& shape, float deviation) {
  std::normal_distribution<float> normal(0.f, deviation);
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  for (float& value : values) value = normal(generator);
  return Tensor::from(values, shape);
}

Weights random_weights() {
  std::map<std::string, Weight> weights;
  weights.emplace("0.weight", random_tensor({8, 1, 3, 3}, 1.f / 3));
  weights.emplace("0.bias", Tensor::zeros({8}));
  weights.emplace("1.weight", Tensor::full({8}, 1));
  weights.emplace("1.bias", Tensor::zeros({8}));
  weights.emplace("1.running_mean", Tensor::zeros({8}));
  weights.emplace("1.running_var", Tensor::full({8}, 1));
  weights.emplace("4.weight", random_tensor({16, 8, 3, 3}, 1.f / 8));
  weights.emplace("4.bias", Tensor::zeros({16}));
  weights.emplace("8.weight", random_tensor({10, 16}, 1.f / 4));
  weights.emplace("8.bias", Tensor::zeros({10}));
  return Weights(std::move(weights));
}

}  // namespace

int main(int argc, char** argv) {
  Sequential cnn{Conv2d{1, 8, {3}, {.padding = {1}}},
                 BatchNorm{8},
                 Relu{},
                 MaxPool{{2}},
                 Conv2d{8, 16, {3}, {.padding = {1}}},
                 Relu{},
                 AdaptiveAvgPool2d{{1}},
                 Flatten{},
                 Linear{16, 10},
                 Softmax{{.axis = -1}}};
  cnn.load(argc > 1 ? Weights::open(argv[1]) : random_weights());

  const Tensor images = random_tensor({3, 1, 28, 28}, 1.f);
  const Tensor probabilities = cnn(images);  // [3, 1, 28, 28] -> [3, 10]
  std::cout << probabilities.to_string() << "\n";

  for (int image = 0; image < 3; ++image) {
    float sum = 0;
    for (int digit = 0; digit < 10; ++digit) sum += probabilities.at<float>({image, digit});
    if (std::abs(sum - 1.f) > 1e-5f) return 1;
  }
}
