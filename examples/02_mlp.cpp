// Layers: a multi-layer perceptron for images of 28 x 28 digits, as PyTorch's
//   nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10), nn.Softmax(-1))
//
//   02_mlp [mnist.safetensors]    without a file, the weights are random
#include <cmath>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "quern/layers.h"
#include "quern/ops.h"
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
  weights.emplace("0.weight", random_tensor({256, 784}, 1.f / 28));
  weights.emplace("0.bias", Tensor::zeros({256}));
  weights.emplace("2.weight", random_tensor({10, 256}, 1.f / 16));
  weights.emplace("2.bias", Tensor::zeros({10}));
  return Weights(std::move(weights));
}

}  // namespace

int main(int argc, char** argv) {
  Sequential mlp{Linear{784, 256}, Relu{}, Linear{256, 10}, Softmax{{.axis = -1}}};
  mlp.load(argc > 1 ? Weights::open(argv[1]) : random_weights());

  const Tensor images = random_tensor({3, 784}, 1.f);
  const Tensor probabilities = mlp(images);  // [3, 784] -> [3, 10]
  std::cout << probabilities.to_string() << "\n";

  for (int image = 0; image < 3; ++image) {
    float sum = 0;
    for (int digit = 0; digit < 10; ++digit) sum += probabilities.at<float>({image, digit});
    if (std::abs(sum - 1.f) > 1e-5f) return 1;
  }
}
