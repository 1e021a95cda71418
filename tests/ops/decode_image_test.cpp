#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "quern/npy.h"
#include "quern/ops/image.h"
#include "support/error_code.h"

namespace quern::ops {
namespace {

const std::string kImages = "tests/data/images/";

Tensor bytes_of(const std::string& text) {
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  return Tensor::from(bytes, {std::ssize(bytes)});
}

std::string file(const std::string& name) {
  std::ifstream in(kImages + name, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// The largest difference of two images of one shape.
int difference(const Tensor& got, const Tensor& want) {
  REQUIRE(got.dtype() == DType::u8);
  REQUIRE(got.shape() == want.shape());
  const Tensor a = got.contiguous();
  const Tensor b = want.contiguous();
  int largest = 0;
  for (std::size_t i = 0; i < a.data<std::uint8_t>().size(); ++i)
    largest = std::max(largest, std::abs(a.data<std::uint8_t>()[i] - b.data<std::uint8_t>()[i]));
  return largest;
}

std::vector<int> pixels(const Tensor& image) {
  const auto bytes = image.data<std::uint8_t>();
  return {bytes.begin(), bytes.end()};
}

TEST_CASE("images decode to the bytes that Pillow gives") {
  const auto arrays = read_npz(kImages + "arrays.npz");
  for (const std::string name : {"picture.png", "picture.bmp", "alpha.png"})
    CHECK(difference(decode_image(bytes_of(file(name))), arrays.at(name + "/bytes").squeeze(0)) ==
          0);
  CHECK(difference(decode_image(bytes_of(file("picture.jpg"))),
                   arrays.at("picture.jpg/bytes").squeeze(0)) <= 4);
}

TEST_CASE("the alpha of an image that Pillow gave its own greys is its greys") {
  const Tensor rgba = decode_image(bytes_of(file("alpha.png")), PixelFormat::rgba);
  CHECK(difference(rgba.slice(2, 3, 4),
                   decode_image(bytes_of(file("picture.png")), PixelFormat::grayscale)) == 0);
}

TEST_CASE("channels come in the order of the format") {
  const Tensor colours = bytes_of("P6 2 1 255\n" + std::string("\1\2\3\xff\0\0", 6));
  CHECK(pixels(decode_image(colours)) == std::vector{1, 2, 3, 255, 0, 0});
  CHECK(pixels(decode_image(colours, PixelFormat::bgr)) == std::vector{3, 2, 1, 0, 0, 255});
  CHECK(pixels(decode_image(colours, PixelFormat::grayscale)) == std::vector{2, 76});
  const Tensor greys = bytes_of("P5 2 1 255\n\x07\x09");
  CHECK(pixels(decode_image(greys)) == std::vector{7, 7, 7, 9, 9, 9});
  CHECK(pixels(decode_image(greys, PixelFormat::grayscale)) == std::vector{7, 9});
}

TEST_CASE("bytes that are no image are refused, cut anywhere") {
  for (const std::string& text : {std::string(), std::string("hello"), std::string("P6 2 1 255\n"),
                                  std::string("P6 2 1 65535\n1234567")})
    CHECK(code_of([&] { decode_image(bytes_of(text)); }) == ErrorCode::corrupt_file);
  const std::string png = file("picture.png");
  for (std::size_t size = 0; size + 16 < png.size(); size += 97)
    CHECK(code_of([&] { decode_image(bytes_of(png.substr(0, size))); }) == ErrorCode::corrupt_file);
  std::string large = png;  // 13,621 x 9,509 pixels, its header says
  large[18] = '\x35';
  large[22] = '\x25';
  CHECK(code_of([&] { decode_image(bytes_of(large)); }) == ErrorCode::corrupt_file);
  large.resize(20000);
  CHECK(code_of([&] { decode_image(bytes_of(large)); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { decode_image(bytes_of(png).unsqueeze(0)); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { decode_image(Tensor::zeros({4})); }) == ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace quern::ops
