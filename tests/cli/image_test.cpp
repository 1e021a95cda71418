#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "cli/program.h"
#include "onnx/model_maker.h"
#include "quern/npy.h"
#include "support/temporary_folder.h"

namespace quern {
namespace {

const std::string kImages = "tests/data/images/";
constexpr std::int32_t kF32 = 1;
constexpr std::int32_t kU8 = 2;

/// A model that gives back its input of `dims`.
std::string identity(const std::vector<std::int64_t>& dims, std::int32_t element_type) {
  ModelMaker maker;
  maker.inputs = {ModelMaker::value("x", dims, element_type)};
  maker.outputs = {ModelMaker::value("y", dims, element_type)};
  maker.nodes = {ModelMaker::node("Identity", {"x"}, {"y"})};
  return maker.model();
}

/// What an input of `dims` gets of an image.
Tensor given(const std::string& image, const std::vector<std::int64_t>& dims,
             std::int32_t element_type, const std::string& options = "") {
  const TemporaryFolder folder;
  const std::string model = folder.write("model.onnx", identity(dims, element_type));
  const Run result =
      run("run " + model + " --input x=" + image + " --output " + folder.path("out") + options);
  CHECK_MESSAGE(result.exit_code == 0, result.err);
  return read_npy(folder.path("out") + "/y.npy");
}

/// The largest difference from what Pillow and NumPy make of it.
double error_of(const Tensor& got, const std::string& name) {
  const Tensor want = read_npz(kImages + "arrays.npz").at(name);
  REQUIRE(got.shape() == want.shape());
  REQUIRE(got.dtype() == want.dtype());
  const Tensor a = got.cast(DType::f64).contiguous();
  const Tensor b = want.cast(DType::f64).contiguous();
  double largest = 0;
  for (std::size_t i = 0; i < a.data<double>().size(); ++i)
    largest = std::max(largest, std::abs(a.data<double>()[i] - b.data<double>()[i]));
  return largest;
}

}  // namespace

TEST_CASE("an image's bytes go into an input of bytes whose size is not fixed") {
  const std::vector<std::int64_t> dims{1, -1, -1, 3};
  for (const std::string name : {"picture.png", "picture.bmp", "alpha.png"})
    CHECK(error_of(given(kImages + name, dims, kU8), name + "/bytes") == 0);
  CHECK(error_of(given(kImages + "picture.jpg", dims, kU8), "picture.jpg/bytes") <= 4);
}

TEST_CASE("an image is stretched to an input's size as Pillow does, to a step of a byte") {
  const std::string png = kImages + "picture.png";
  CHECK(error_of(given(png, {1, 50, 61, 3}, kU8), "picture.png/larger") <= 1);
  const std::string imagenet = " --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225";
  constexpr double kStep = 1 / 255.0;
  CHECK(error_of(given(png, {-1, 3, 16, 20}, kF32, imagenet), "picture.png/normal") <=
        1.5 * kStep / 0.224);
  CHECK(error_of(given(png, {1, 1, 16, -1}, kF32), "picture.png/grey") <= 2 * kStep);
}

TEST_CASE("an image that is none, or an input that takes none, gets one clear line") {
  const TemporaryFolder folder;
  const std::string model = folder.write("model.onnx", identity({1, 3, 8, 8}, kF32));
  const std::string matrix = folder.write("matrix.onnx", identity({3, 8}, kF32));
  const std::string png = read_file(kImages + "picture.png");
  std::string huge = png;  // 65,589 x 65,573 pixels, its header says
  huge[17] = huge[21] = '\1';
  const std::string cut = folder.write("cut.png", png.substr(0, png.size() / 2));
  const std::string large = folder.write("large.png", huge);
  const std::string text = folder.write("text.jpg", "hello");
  const std::string empty = folder.write("empty.bmp", "");
  for (const std::string& arguments :
       {model + " --input x=" + cut, model + " --input x=" + large, model + " --input x=" + text,
        model + " --input x=" + empty, model + " --input x=/nowhere.png",
        model + " --input y=" + kImages + "picture.png",
        matrix + " --input x=" + kImages + "picture.png",
        model + " --mean 1,2 --input x=" + kImages + "picture.png",
        model + " --std 0 --input x=" + kImages + "picture.png"}) {
    CAPTURE(arguments);
    const Run result = run("run " + arguments);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("quern: "));
    CHECK(std::ranges::count(result.err, '\n') == 1);
  }
}

TEST_CASE("an image cut short anywhere, or with a byte changed, is read or refused") {
  const TemporaryFolder folder;
  const std::string model = folder.write("model.onnx", identity({1, 3, 8, 8}, kF32));
  for (const std::string name : {"picture.png", "picture.jpg", "picture.bmp"}) {
    const std::string whole = read_file(kImages + name);
    for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 6) {
      std::string changed = whole;
      changed[at] = static_cast<char>(~changed[at]);
      for (const std::string& bytes : {whole.substr(0, at), changed}) {
        CAPTURE(name);
        CAPTURE(at);
        const int code = run("run " + model + " --input x=" + folder.write(name, bytes)).exit_code;
        CHECK((code == 0 || code == 2));
      }
    }
  }
}

}  // namespace quern
