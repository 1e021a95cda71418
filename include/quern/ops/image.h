#pragma once

#include <optional>
#include <vector>

#include "quern/export.h"
#include "quern/tensor.h"

/// Images from their files, resampling of images and volumes, and what detectors do with boxes.
namespace quern::ops {

/// Which channels a pixel has, in their order.
enum class PixelFormat { rgb, bgr, grayscale, rgba };
/// The first image of a PNG, JPEG, BMP or PNM (P5, P6) file's `bytes`, or of a WebP, TIFF or JPEG
/// 2000 file's where the build has the library, u8 [n] -> u8 [height, width, channels], as Pillow
/// decodes it. Of 16 bits a channel the upper 8 (TIFF: rounded); grey is ITU-R 601's luma; without
/// `rgba` transparency is dropped. Throws: `corrupt_file`, cut short too; `unsupported`, for more
/// than 2^26 pixels too; `out_of_memory`.
QUERN_API Tensor decode_image(const Tensor& bytes, PixelFormat format = PixelFormat::rgb);

enum class Interpolation { nearest, linear, cubic };

/// Where the element at place i of a resized axis lies on the axis as it was.
enum class ResizeCoordinates {
  half_pixel,            ///< (i + 0.5) / scale - 0.5
  half_pixel_symmetric,  ///< the same about the middle of the axis
  pytorch_half_pixel,    ///< half_pixel, but 0 where the result is 1 long
  align_corners,         ///< the first on the first, the last on the last
  asymmetric,            ///< i / scale
  crop_and_resize        ///< evenly over the region of interest
};
/// The neighbour that `nearest` takes.
enum class NearestRounding {
  prefer_floor,
  prefer_ceil,
  floor,
  ceil,
  outward  ///< floor on axes that grow, ceil on those that shrink
};

struct ResizeOptions {
  Interpolation interpolation = Interpolation::nearest;
  ResizeCoordinates coordinates = ResizeCoordinates::half_pixel;
  NearestRounding rounding = NearestRounding::prefer_floor;
  /// Of each axis; empty: new size / old size.
  std::vector<double> scales = {};
  /// Start and end of each axis, in parts of its size, for crop_and_resize.
  std::vector<double> region_starts = {};
  std::vector<double> region_ends = {};
  float outside = 0.f;  ///< what lies beyond the ends, for crop_and_resize
  float cubic_coefficient = -0.75f;
  bool antialias = false;        ///< smaller axes are averaged over what they skip
  bool exclude_outside = false;  ///< neighbours beyond the ends do not count, else the end does
};
/// `x` with its axes resized to `sizes`, one after another. `nearest` takes every dtype; the others
/// numeric ones. Results keep the order of axes in memory: images that are channels last stay so.
QUERN_API Tensor resize(const Tensor& x, const Shape& sizes, const ResizeOptions& options = {});

/// What is sampled beyond the ends of an axis.
enum class SamplePadding { zeros, border, reflection };
struct GridSampleOptions {
  Interpolation interpolation = Interpolation::linear;
  SamplePadding padding = SamplePadding::zeros;
  bool align_corners = false;  ///< -1 and 1 are the middles of the first and last elements
};
/// x [batch, channels, spatial...], grid [batch, points..., axes] of x's floating dtype: places in
/// [-1, 1], of the last axis first -> [batch, channels, points...]. One to three spatial axes.
QUERN_API Tensor grid_sample(const Tensor& x, const Tensor& grid,
                             const GridSampleOptions& options = {});
/// Grids for grid_sample: theta [batch, n, n + 1], f32 or f64, applied to the places of an image of
/// `sizes` [batch, channels, spatial...] -> [batch, spatial..., n].
QUERN_API Tensor affine_grid(const Tensor& theta, const Shape& sizes, bool align_corners = false);

enum class RoiPooling { average, max };
struct RoiAlignOptions {
  std::int64_t height = 1, width = 1;  ///< of each result
  float scale = 1.f;                   ///< of boxes, to elements of x
  std::int64_t samples = 0;            ///< along each axis of a cell; 0: as many as it has elements
  RoiPooling pooling = RoiPooling::average;
  bool half_pixel = true;  ///< boxes are of corners, half an element before the middles
};
/// x [batch, channels, height, width], boxes [n, 4] (x1, y1, x2, y2), images [n] i64 ->
/// [n, channels, options.height, options.width] (He et al., "Mask R-CNN", 2017). Floating dtypes.
QUERN_API Tensor roi_align(const Tensor& x, const Tensor& boxes, const Tensor& images,
                           const RoiAlignOptions& options = {});
/// The largest element of each cell of each box; boxes [n, 5] (image, x1, y1, x2, y2), corners
/// included (Girshick, "Fast R-CNN", 2015).
QUERN_API Tensor roi_max_pool(const Tensor& x, const Tensor& boxes, std::int64_t height,
                              std::int64_t width, float scale = 1.f);

struct NmsOptions {
  std::int64_t max_boxes = 0;       ///< of each class of each image; 0: none
  float overlap = 0.f;              ///< boxes that share more with a better one are dropped
  std::optional<float> score = {};  ///< boxes must have more
  bool centers = false;             ///< boxes are (x, y, width, height), else two corners
};
/// Boxes that stay where better ones of their class overlap them: boxes [batch, n, 4] and scores
/// [batch, classes, n], f32 -> i64 [count, 3] of image, class and box, the best of a class first.
QUERN_API Tensor non_max_suppression(const Tensor& boxes, const Tensor& scores,
                                     const NmsOptions& options);

/// Windows that move over spatial axes; an empty list is ones (`pads`: zeros).
struct WindowOptions {
  std::vector<std::int64_t> strides = {}, dilations = {};
  std::vector<std::int64_t> pads = {};  ///< those before each axis, then those after
};
/// Sums windows back to an image: x [batch, channels * block, windows] -> [batch, channels,
/// image...]. Floating dtypes.
QUERN_API Tensor col2im(const Tensor& x, const Shape& image, const Shape& block,
                        const WindowOptions& options = {});

struct DeformConvOptions {
  WindowOptions window = {};
  std::int64_t groups = 1;
  std::int64_t offset_groups = 1;
};
/// A convolution that samples each element of its window at an offset of its own (Zhu et al.,
/// "Deformable ConvNets v2", 2018). f32: x [batch, channels, h, w], weight [out, channels / groups,
/// kh, kw], offset [batch, 2 * offset_groups * kh * kw, oh, ow] (y and x of each), bias [out], mask
/// [batch, offset_groups * kh * kw, oh, ow] -> [batch, out, oh, ow].
QUERN_API Tensor deform_conv(const Tensor& x, const Tensor& weight, const Tensor& offset,
                             const std::optional<Tensor>& bias = {},
                             const std::optional<Tensor>& mask = {},
                             const DeformConvOptions& options = {});

}  // namespace quern::ops
