// From a picture's bytes to labels: decode, resize, run an ONNX classifier, and name what it is
// most sure of.
//
//   08_picture [PICTURE [MODEL LABELS]]    LABELS: a line a class; without a model, handwritten
//   digits
//
// A model of three channels gets colours as ImageNet's models want them, one of one channel
// brightness in [0, 1].
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "quern/error.h"
#include "quern/onnx.h"
#include "quern/ops.h"

namespace {

using namespace quern;

Tensor bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::not_found, "no picture \"" + path + "\"");
  const std::vector<char> read{std::istreambuf_iterator<char>(file), {}};
  return Tensor::from(std::vector<std::uint8_t>(read.begin(), read.end()),
                      {static_cast<std::int64_t>(read.size())});
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

/// u8 [height, width, channels] -> f32 [1, channels, size...], as the model's input is declared.
Tensor input_of(const Tensor& picture, const onnx::ValueInfo& declared) {
  const std::int64_t channels = declared.dims.at(1);
  const Shape sizes{1, channels, declared.dims.at(2), declared.dims.at(3)};
  const Tensor image = picture.cast(DType::f32).permute({2, 0, 1}).unsqueeze(0);
  const Tensor resized =
      ops::resize(image, sizes, {.interpolation = ops::Interpolation::linear, .antialias = true});
  const Tensor scaled = ops::div(resized, Tensor::from({255.f}, {1}));
  if (channels == 1) return scaled;
  const Tensor mean = Tensor::from({0.485f, 0.456f, 0.406f}, {1, 3, 1, 1});
  const Tensor deviation = Tensor::from({0.229f, 0.224f, 0.225f}, {1, 3, 1, 1});
  return ops::div(ops::sub(scaled, mean), deviation);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = "examples/models/";
  const std::string path = argc > 1 ? argv[1] : folder + "digit.png";
  const auto model = onnx::Model::load(argc > 3 ? argv[2] : folder + "digits.onnx");
  const auto labels = lines_of(argc > 3 ? argv[3] : folder + "digits.txt");
  const onnx::ValueInfo& input = model.info().inputs.at(0);

  try {
    const bool grey = input.dims.at(1) == 1;
    const Tensor picture = ops::decode_image(
        bytes_of(path), grey ? ops::PixelFormat::grayscale : ops::PixelFormat::rgb);
    const auto outputs = model.run({{input.name, input_of(picture, input)}});
    const Tensor logits = outputs.at(model.info().outputs.at(0).name);
    const ops::TopK best = ops::topk(ops::softmax(logits), 3);  // [1, classes] -> [1, 3]
    for (int i = 0; i < 3; ++i) {
      const auto label = static_cast<std::size_t>(best.indices.at<std::int64_t>({0, i}));
      std::cout << best.values.at<float>({0, i}) << "  "
                << (label < labels.size() ? labels[label] : std::to_string(label)) << "\n";
    }
  } catch (const Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
