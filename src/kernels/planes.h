#pragma once

#include <cstdint>

namespace quern::kernels {

/// Weaves planes of an image into pixels: dst[place][plane] = src[plane][place]. Two to four planes
/// of `places` elements, of 1, 2 or 4 bytes each.
void interleave_planes(const void* src, int planes, std::int64_t places, int element_size,
                       void* dst);

}  // namespace quern::kernels
