#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "quern/error.h"
#include "quern/tensor.h"

/// The formats that `decode_image` reads, a file each. Their bytes are hostile until checked.
namespace quern::ops::image {

using FileBytes = std::span<const std::uint8_t>;

/// Each decodes the first image of a file that begins as its format does, to u8 [height, width,
/// channels]: grey, grey and alpha, RGB, or RGB and alpha, by channels. Colours are those that
/// Pillow gives. Throws: `corrupt_file`, for one that is cut short too; `unsupported`;
/// `out_of_memory`.
Tensor decode_bmp(FileBytes file);
Tensor decode_jpeg(FileBytes file);
Tensor decode_png(FileBytes file);
Tensor decode_pnm(FileBytes file);
/// In builds that found the format's library.
Tensor decode_jpeg2000(FileBytes file);
Tensor decode_tiff(FileBytes file);
Tensor decode_webp(FileBytes file);

/// Throws an Error of the format whose message is `what`, less spaces and line ends after it.
[[noreturn]] void refuse(ErrorCode code, std::string_view format, std::string_view what);
/// Throws unless an image has pixels, and at most 2^26.
void check_size(std::string_view format, std::int64_t width, std::int64_t height);

/// Of a JPEG 2000 file's headers: throws where OpenJPEG would take much more memory or time than
/// the pixels do, for tiles, components, precincts, code-blocks or layers by the million.
void check_jpeg2000(FileBytes file);

}  // namespace quern::ops::image
