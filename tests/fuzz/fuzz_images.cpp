#include <cstdio>
#include <cstdlib>

#include "fuzz/targets.h"
#include "fuzz/use.h"
#include "ops/image/formats.h"

namespace quern::fuzz {
namespace {

void check_pixels(const Tensor& pixels) {
  if (pixels.dtype() == DType::u8 && pixels.rank() == 3 && pixels.is_contiguous() &&
      pixels.dim(2) >= 1 && pixels.dim(2) <= 4) {
    unsigned sum = 0;
    for (const std::uint8_t byte : pixels.data<std::uint8_t>()) sum += byte;
    [[maybe_unused]] volatile unsigned sink = sum;
    return;
  }
  std::fprintf(stderr, "pixels of shape %s\n", to_string(pixels.shape()).c_str());
  std::abort();
}

template <Tensor (*decode)(ops::image::FileBytes)>
void decode_all(std::span<const std::byte> bytes) {
  constexpr std::size_t kShortestBeginning = 2;
  const ops::image::FileBytes file(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                   bytes.size());
  allow_refusal([&] {
    if (file.size() < kShortestBeginning)
      throw Error(ErrorCode::corrupt_file, "no image, at byte 0");
    try {
      check_pixels(decode(file));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::out_of_memory) throw;
      throw Error(ErrorCode::unsupported, error.what());
    }
  });
}

}  // namespace

void bmp(std::span<const std::byte> bytes) { decode_all<ops::image::decode_bmp>(bytes); }
void jpeg(std::span<const std::byte> bytes) { decode_all<ops::image::decode_jpeg>(bytes); }
void png(std::span<const std::byte> bytes) { decode_all<ops::image::decode_png>(bytes); }
void pnm(std::span<const std::byte> bytes) { decode_all<ops::image::decode_pnm>(bytes); }
#ifdef QUERN_WEBP
void webp(std::span<const std::byte> bytes) { decode_all<ops::image::decode_webp>(bytes); }
#endif
#ifdef QUERN_TIFF
void tiff(std::span<const std::byte> bytes) { decode_all<ops::image::decode_tiff>(bytes); }
#endif
#ifdef QUERN_JPEG2000
void jpeg2000(std::span<const std::byte> bytes) { decode_all<ops::image::decode_jpeg2000>(bytes); }
#endif

}  // namespace quern::fuzz
