#include <algorithm>
#include <cmath>

#include "core/format.h"
#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using Ints = std::vector<std::int64_t>;

/// The value that attribute `name` stands for in a table.
template <class T, std::size_t n>
T choice(const Node& node, std::string_view name, const char* fallback,
         const std::pair<std::string_view, T> (&table)[n]) {
  const std::string given = node.attributes.get(name, fallback);
  std::string known;
  for (const auto& [text, value] : table) {
    if (text == given) return value;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  fail(ErrorCode::corrupt_file, "{} \"{}\"; known are {}", name, given, known);
}

std::vector<double> floats(const Inputs& in, std::size_t index) {
  const Tensor wide = in[index].cast(DType::f64).contiguous();
  const auto values = wide.data<double>();
  return {values.begin(), values.end()};
}

constexpr std::pair<std::string_view, ops::Interpolation> kInterpolations[] = {
    {"nearest", ops::Interpolation::nearest}, {"linear", ops::Interpolation::linear},
    {"bilinear", ops::Interpolation::linear}, {"cubic", ops::Interpolation::cubic},
    {"bicubic", ops::Interpolation::cubic},
};
constexpr std::pair<std::string_view, ops::ResizeCoordinates> kCoordinates[] = {
    {"half_pixel", ops::ResizeCoordinates::half_pixel},
    {"half_pixel_symmetric", ops::ResizeCoordinates::half_pixel_symmetric},
    {"pytorch_half_pixel", ops::ResizeCoordinates::pytorch_half_pixel},
    {"align_corners", ops::ResizeCoordinates::align_corners},
    {"asymmetric", ops::ResizeCoordinates::asymmetric},
    {"tf_crop_and_resize", ops::ResizeCoordinates::crop_and_resize},
};
constexpr std::pair<std::string_view, ops::NearestRounding> kRoundings[] = {
    {"round_prefer_floor", ops::NearestRounding::prefer_floor},
    {"round_prefer_ceil", ops::NearestRounding::prefer_ceil},
    {"floor", ops::NearestRounding::floor},
    {"ceil", ops::NearestRounding::ceil},
};

enum class AspectPolicy { stretch, not_larger, not_smaller };
constexpr std::pair<std::string_view, AspectPolicy> kPolicies[] = {
    {"stretch", AspectPolicy::stretch},
    {"not_larger", AspectPolicy::not_larger},
    {"not_smaller", AspectPolicy::not_smaller},
};

std::int64_t scaled(std::int64_t size, double scale) {
  const double exact = std::floor(static_cast<double>(size) * scale);
  require(exact >= 0 && exact < 0x1p62, "a scale of {} for a size of {}", scale, size);
  return static_cast<std::int64_t>(exact);
}

/// Resizes the axes listed (all, where none is) by scales.
Tensor resize_by_scales(const Tensor& x, const std::vector<int>& axes,
                        const std::vector<double>& scales, ops::ResizeOptions options) {
  require(scales.size() == axes.size(), "{} scales for {} axes", scales.size(), axes.size());
  Shape sizes = x.shape();
  options.scales.assign(static_cast<std::size_t>(x.rank()), 1);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    sizes[axes[i]] = scaled(sizes[axes[i]], scales[i]);
    options.scales[static_cast<std::size_t>(axes[i])] = scales[i];
  }
  return ops::resize(x, sizes, options);
}

Tensor resize_to_sizes(const Tensor& x, const std::vector<int>& axes, const Ints& wanted,
                       AspectPolicy policy, ops::ResizeOptions options) {
  require(wanted.size() == axes.size(), "{} sizes for {} axes", wanted.size(), axes.size());
  Shape sizes = x.shape();
  std::vector<double> scales;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    scales.push_back(static_cast<double>(wanted[i]) / static_cast<double>(sizes[axes[i]]));
    sizes[axes[i]] = wanted[i];
  }
  if (policy == AspectPolicy::stretch || axes.empty()) return ops::resize(x, sizes, options);
  const double scale =
      policy == AspectPolicy::not_larger ? std::ranges::min(scales) : std::ranges::max(scales);
  require(std::isfinite(scale), "{} to {}", x.shape(), sizes);
  options.scales.assign(static_cast<std::size_t>(x.rank()), 1);
  for (const int axis : axes) {
    const double exact = static_cast<double>(x.shape()[axis]) * scale + 0.5;
    require(exact < 0x1p62, "{} to {}", x.shape(), sizes);
    sizes[axis] = static_cast<std::int64_t>(exact);
    options.scales[static_cast<std::size_t>(axis)] = scale;
  }
  return ops::resize(x, sizes, options);
}

/// Inputs x, roi, scales, sizes; opset 10 has no roi and no sizes.
struct ResizeInputs {
  std::size_t roi, scales, sizes;
};

class Resize final : public Kernel {
 public:
  Resize(const Node& node, ResizeInputs inputs, ops::ResizeOptions options)
      : inputs_(inputs),
        options_(std::move(options)),
        axes_(node.attributes.ints("axes")),
        policy_(choice(node, "keep_aspect_ratio_policy", "stretch", kPolicies)) {}

  void run(const Inputs& in, Outputs& out) const override {
    const Tensor& x = in[0];
    std::vector<int> axes = checked_axes(axes_, x.rank());
    for (int axis = 0; axes_.empty() && axis < x.rank(); ++axis) axes.push_back(axis);
    ops::ResizeOptions options = options_;
    if (options.coordinates == ops::ResizeCoordinates::crop_and_resize)
      set_region(in, axes, x.rank(), options);
    if (in.has(inputs_.sizes) && in[inputs_.sizes].numel() > 0) {
      out.set(0, resize_to_sizes(x, axes, in.ints(inputs_.sizes), policy_, options));
    } else {
      out.set(0, resize_by_scales(x, axes, floats(in, inputs_.scales), options));
    }
  }

 private:
  void set_region(const Inputs& in, const std::vector<int>& axes, int rank,
                  ops::ResizeOptions& options) const {
    const std::vector<double> roi = floats(in, inputs_.roi);
    require(roi.size() == 2 * axes.size(), "a roi of {} numbers for {} axes", roi.size(),
            axes.size());
    options.region_starts.assign(static_cast<std::size_t>(rank), 0);
    options.region_ends.assign(static_cast<std::size_t>(rank), 1);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      options.region_starts[static_cast<std::size_t>(axes[i])] = roi[i];
      options.region_ends[static_cast<std::size_t>(axes[i])] = roi[i + axes.size()];
    }
  }

  ResizeInputs inputs_;
  ops::ResizeOptions options_;
  Ints axes_;
  AspectPolicy policy_;
};

KernelPtr resize(const Node& node, const ImportContext&) {
  ops::ResizeOptions options{
      .interpolation = choice(node, "mode", "nearest", kInterpolations),
      .coordinates = choice(node, "coordinate_transformation_mode", "half_pixel", kCoordinates),
      .rounding = choice(node, "nearest_mode", "round_prefer_floor", kRoundings),
      .outside = node.attributes.get("extrapolation_value", 0.f),
      .cubic_coefficient = node.attributes.get("cubic_coeff_a", -0.75f),
      .antialias = node.attributes.get("antialias", std::int64_t{0}) != 0,
      .exclude_outside = node.attributes.get("exclude_outside", std::int64_t{0}) != 0};
  return std::make_unique<const Resize>(node, ResizeInputs{1, 2, 3}, std::move(options));
}

/// Opset 10, and Upsample: scales are input 1.
KernelPtr resize_by_input(const Node& node, const ImportContext&) {
  ops::ResizeOptions options{.interpolation = choice(node, "mode", "nearest", kInterpolations),
                             .coordinates = ops::ResizeCoordinates::asymmetric,
                             .rounding = ops::NearestRounding::outward};
  return std::make_unique<const Resize>(node, ResizeInputs{9, 1, 9}, std::move(options));
}

KernelPtr upsample_by_attribute(const Node& node, const ImportContext&) {
  const ops::ResizeOptions options{
      .interpolation = choice(node, "mode", "nearest", kInterpolations),
      .coordinates = ops::ResizeCoordinates::asymmetric,
      .rounding = ops::NearestRounding::floor};
  const auto given = node.attributes.get<std::vector<float>>("scales");
  const std::vector<double> scales(given.begin(), given.end());
  return make_kernel([options, scales](const Inputs& in) {
    std::vector<int> axes;
    for (int axis = 0; axis < in[0].rank(); ++axis) axes.push_back(axis);
    return resize_by_scales(in[0], axes, scales, options);
  });
}

KernelPtr grid_sample(const Node& node, const ImportContext&) {
  constexpr std::pair<std::string_view, ops::SamplePadding> kPaddings[] = {
      {"zeros", ops::SamplePadding::zeros},
      {"border", ops::SamplePadding::border},
      {"reflection", ops::SamplePadding::reflection},
  };
  const ops::GridSampleOptions options{
      .interpolation = choice(node, "mode", "linear", kInterpolations),
      .padding = choice(node, "padding_mode", "zeros", kPaddings),
      .align_corners = node.attributes.get("align_corners", std::int64_t{0}) != 0};
  return make_kernel(
      [options](const Inputs& in) { return ops::grid_sample(in[0], in[1], options); });
}

KernelPtr affine_grid(const Node& node, const ImportContext&) {
  const bool align_corners = node.attributes.get("align_corners", std::int64_t{0}) != 0;
  return make_kernel([align_corners](const Inputs& in) {
    return ops::affine_grid(in[0], Shape(in.ints(1)), align_corners);
  });
}

KernelPtr roi_align(const Node& node, const ImportContext&) {
  constexpr std::pair<std::string_view, ops::RoiPooling> kPoolings[] = {
      {"avg", ops::RoiPooling::average}, {"max", ops::RoiPooling::max}};
  const char* coordinates = node.opset >= 16 ? "half_pixel" : "output_half_pixel";
  const ops::RoiAlignOptions options{
      .height = node.attributes.get("output_height", std::int64_t{1}),
      .width = node.attributes.get("output_width", std::int64_t{1}),
      .scale = node.attributes.get("spatial_scale", 1.f),
      .samples = node.attributes.get("sampling_ratio", std::int64_t{0}),
      .pooling = choice(node, "mode", "avg", kPoolings),
      .half_pixel =
          node.attributes.get("coordinate_transformation_mode", coordinates) == "half_pixel"};
  return make_kernel(
      [options](const Inputs& in) { return ops::roi_align(in[0], in[1], in[2], options); });
}

KernelPtr max_roi_pool(const Node& node, const ImportContext&) {
  const Ints shape = node.attributes.ints("pooled_shape");
  if (shape.size() != 2)
    fail(ErrorCode::corrupt_file, "pooled_shape has {} numbers, expected 2", shape.size());
  const float scale = node.attributes.get("spatial_scale", 1.f);
  return make_kernel([shape, scale](const Inputs& in) {
    return ops::roi_max_pool(in[0], in[1], shape[0], shape[1], scale);
  });
}

KernelPtr non_max_suppression(const Node& node, const ImportContext&) {
  const bool centers = node.attributes.get("center_point_box", std::int64_t{0}) != 0;
  return make_kernel([centers](const Inputs& in) {
    const auto number = [&](std::size_t index) {
      return in[index].reshape(Shape{}).cast(DType::f32).item<float>();
    };
    ops::NmsOptions options{.centers = centers};
    if (in.has(2)) options.max_boxes = in[2].reshape(Shape{}).cast(DType::i64).item<std::int64_t>();
    if (in.has(3)) options.overlap = number(3);
    if (in.has(4)) options.score = number(4);
    return ops::non_max_suppression(in[0], in[1], options);
  });
}

KernelPtr col2im(const Node& node, const ImportContext&) {
  const ops::WindowOptions options{.strides = node.attributes.ints("strides"),
                                   .dilations = node.attributes.ints("dilations"),
                                   .pads = node.attributes.ints("pads")};
  return make_kernel([options](const Inputs& in) {
    return ops::col2im(in[0], Shape(in.ints(1)), Shape(in.ints(2)), options);
  });
}

KernelPtr deform_conv(const Node& node, const ImportContext&) {
  const ops::DeformConvOptions options{
      .window = {.strides = node.attributes.ints("strides"),
                 .dilations = node.attributes.ints("dilations"),
                 .pads = node.attributes.ints("pads")},
      .groups = node.attributes.get("group", std::int64_t{1}),
      .offset_groups = node.attributes.get("offset_group", std::int64_t{1})};
  return make_kernel([options](const Inputs& in) {
    return ops::deform_conv(in[0], in[1], in[2], in.find(3), in.find(4), options);
  });
}

constexpr std::pair<std::string_view, ops::PixelFormat> kPixelFormats[] = {
    {"RGB", ops::PixelFormat::rgb},
    {"BGR", ops::PixelFormat::bgr},
    {"Grayscale", ops::PixelFormat::grayscale},
};

KernelPtr image_decoder(const Node& node, const ImportContext&) {
  const ops::PixelFormat format = choice(node, "pixel_format", "RGB", kPixelFormats);
  return make_kernel([format](const Inputs& in) { return ops::decode_image(in[0], format); });
}

// clang-format off
constexpr Operator kImageOperators[] = {
    {.op_type = "AffineGrid", .since = 20, .inputs = {2, 2}, .import = affine_grid,
     .mapping = {.shapes = kConstants}},
    {.op_type = "Col2Im", .since = 18, .inputs = {3, 3}, .import = col2im,
     .mapping = {.shapes = kConstants}},
    {.op_type = "DeformConv", .since = 19, .inputs = {3, 5}, .import = deform_conv,
     .mapping = {.shapes = kSame}},
    {.op_type = "GridSample", .since = 16, .inputs = {2, 2}, .import = grid_sample,
     .mapping = {.shapes = kSame}},
    {.op_type = "ImageDecoder", .since = 20, .inputs = {1, 1}, .import = image_decoder},
    {.op_type = "MaxRoiPool", .inputs = {2, 2}, .import = max_roi_pool,
     .mapping = {.shapes = kSame}},
    {.op_type = "NonMaxSuppression", .since = 10, .inputs = {2, 5}, .import = non_max_suppression},
    {.op_type = "Resize", .since = 10, .inputs = {2, 2}, .import = resize_by_input,
     .mapping = {.shapes = kConstants, .rows = follow_resize}, .finite = Finite::of_first},
    {.op_type = "Resize", .since = 11, .inputs = {3, 4}, .import = resize,
     .mapping = {.shapes = kConstants, .rows = follow_resize}, .finite = Finite::of_first},
    {.op_type = "Resize", .since = 13, .inputs = {1, 4}, .import = resize,
     .mapping = {.shapes = kConstants, .rows = follow_resize}, .finite = Finite::of_first},
    {.op_type = "RoiAlign", .since = 10, .inputs = {3, 3}, .import = roi_align,
     .mapping = {.shapes = kSame}},
    {.op_type = "Upsample", .since = 7, .inputs = {1, 1}, .import = upsample_by_attribute,
     .mapping = {.shapes = kSame, .rows = follow_resize}, .finite = Finite::of_first},
    {.op_type = "Upsample", .since = 9, .inputs = {2, 2}, .import = resize_by_input,
     .mapping = {.shapes = kConstants, .rows = follow_resize}, .finite = Finite::of_first},
};
// clang-format on

}  // namespace

OperatorTable image_operators() { return kImageOperators; }

}  // namespace quern::onnx
