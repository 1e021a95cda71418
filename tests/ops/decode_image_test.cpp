#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "core/buffer.h"
#include "quern/npy.h"
#include "quern/ops/image.h"
#include "quern/runtime.h"
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

std::string good(const std::string& name) {
  std::ifstream in("tests/fuzz/corpus/good/" + name, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Whether versions of its decoder round differently.
bool is_rounded(const std::string& name) { return name == "CMYK.tif" || name == "lossy.jp2"; }

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
  for (const std::string name : {"picture.png", "picture.bmp", "picture.jpg", "alpha.png"})
    CHECK(difference(decode_image(bytes_of(file(name))), arrays.at(name + "/bytes").squeeze(0)) ==
          0);
}

/// Whether the build has the library of the file's format.
bool is_read(const std::string& name) {
#ifndef QUERN_WEBP
  if (name.ends_with(".webp")) return false;
#endif
#ifndef QUERN_TIFF
  if (name.ends_with(".tif")) return false;
#endif
#ifndef QUERN_JPEG2000
  if (name.ends_with(".jp2")) return false;
#endif
  return !name.empty();
}

TEST_CASE("every kind of file of every format decodes to the bytes that Pillow gives") {
  std::size_t read = 0;
  for (const auto& entry : read_npz("tests/data/image_formats.npz")) {
    const std::string& key = entry.first;
    const Tensor& want = entry.second;
    const std::size_t slash = key.find('/');
    const std::string name = key.substr(0, slash);
    CAPTURE(key);
    const Tensor bytes = bytes_of(good(name));
    if (!is_read(name)) {
      CHECK(code_of([&] { decode_image(bytes); }) == ErrorCode::unsupported);
      continue;
    }
    const auto format = key.substr(slash + 1) == "RGBA" ? PixelFormat::rgba : PixelFormat::rgb;
    CHECK(difference(decode_image(bytes, format), want) <= (is_rounded(name) ? 1 : 0));
    ++read;
  }
  CHECK(read >= 40);
}

/// The code of the Error that decoding gives, if any.
std::optional<ErrorCode> refusal(const std::string& text) {
  const Tensor bytes = bytes_of(text);
  try {
    decode_image(bytes);
  } catch (const Error& error) {
    return error.code();
  }
  return {};
}

TEST_CASE("files cut short are refused in every format") {
  for (const std::string name :
       {"RGB.bmp", "RGBA.png", "subsampled_2.jpg", "progressive.jpg", "RGB.pnm", "lossy.webp",
        "lossless.webp", "animation.webp", "tiff_lzw.tif", "RGB.jp2"}) {
    if (!is_read(name)) continue;
    const std::string whole = good(name);
    for (std::size_t size = 4; size + 24 < whole.size(); size += 1 + whole.size() / 50) {
      CAPTURE(name);
      CAPTURE(size);
      CHECK(refusal(whole.substr(0, size)) == ErrorCode::corrupt_file);
    }
  }
}

TEST_CASE("a Huffman table of more codes than a table holds is refused") {
  std::ifstream in("tests/fuzz/corpus/bad/hostile_huffman.jpg", std::ios::binary);
  REQUIRE(in.good());
  CHECK(refusal({std::istreambuf_iterator<char>(in), {}}) == ErrorCode::corrupt_file);
}

TEST_CASE("a JPEG of more scans than any has is refused before they are all read") {
  const std::string jpeg = good("progressive.jpg");
  const std::size_t first = jpeg.find("\xff\xda");
  REQUIRE(first != std::string::npos);
  std::size_t end = first + 2;
  while (jpeg[end] != '\xff' || jpeg[end + 1] == '\0') ++end;
  const std::string scan = jpeg.substr(first, end - first);
  const auto with = [&](int count) {
    std::string longer = jpeg.substr(0, end);
    for (int i = 0; i < count; ++i) longer += scan;
    return longer + jpeg.substr(end);
  };
  CHECK(refusal(with(80)) == std::nullopt);
  CHECK(refusal(with(100)) == ErrorCode::corrupt_file);
}

TEST_CASE("no header of a JPEG 2000 makes its decoder take millions of parts") {
  if (!is_read(".jp2")) return;
  const std::string plain = good("codestream.jp2");
  const std::size_t grid = plain.find("\xff\x51");
  const auto with = [&](std::size_t at, const std::string& bytes) {
    std::string changed = plain;
    return changed.replace(at, bytes.size(), bytes);
  };
  REQUIRE(refusal(plain) == std::nullopt);
  const std::string large("\0\0\x20\0\0\0\x20\0", 8);
  const std::string none(8, '\0');
  const std::string tiny("\0\0\0\1\0\0\0\1", 8);
  CHECK(refusal(with(grid + 6, large + none + tiny)) == ErrorCode::unsupported);  // 2^26 tiles
  CHECK(refusal(with(grid + 6, large + large)) == ErrorCode::corrupt_file);
  CHECK(refusal(with(grid + 38, std::string("\x40\0", 2))) == ErrorCode::unsupported);
  std::string blocks = with(grid + 6, large + none + large);
  const std::size_t coding = plain.find("\xff\x52");
  blocks.replace(coding + 10, 2, 2, '\0');  // of 4 x 4
  CHECK(refusal(blocks) == ErrorCode::unsupported);
}

TEST_CASE("what decoders take is counted against the memory limit") {
  const RuntimeOptions before = runtime_options();
  RuntimeOptions few = before;
  few.memory_limit = buffer_bytes_in_use() + 6000;
  configure(few);
  const std::optional<ErrorCode> code = refusal(good("progressive.jpg"));
  const std::optional<ErrorCode> code_of_plain = refusal(good("subsampled_2.jpg"));
  configure(before);
  CHECK(code == ErrorCode::out_of_memory);
  CHECK(code_of_plain == std::nullopt);
  CHECK(refusal(good("progressive.jpg")) == std::nullopt);
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

/// The checksum of a PNG's chunk, as it stores it.
std::string crc32(const std::string& text) {
  std::uint32_t sum = ~0U;
  for (const char c : text) {
    sum ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0xedb88320U : 0U);
  }
  sum = ~sum;
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(sum >> shift & 255);
  return bytes;
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
  CHECK(refusal(large) == ErrorCode::corrupt_file);  // for its sum
  large.replace(29, 4, crc32(large.substr(12, 17)));
  CHECK(refusal(large) == ErrorCode::unsupported);
  large[18] = '\x1f';
  large[22] = '\x1f';
  large.replace(29, 4, crc32(large.substr(12, 17)));
  CHECK(refusal(large) == ErrorCode::corrupt_file);  // for 850 bytes cannot hold it
  CHECK(code_of([&] { decode_image(bytes_of(png).unsqueeze(0)); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { decode_image(Tensor::zeros({4})); }) == ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace quern::ops
