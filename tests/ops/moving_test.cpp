#include "core/runtime.h"
#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

constexpr const char* kMovingGoldens = "tests/data/moving_goldens.safetensors";

using Ints = std::vector<std::int64_t>;
using Case = const GoldenCase&;

Ints list(Case given, const std::string& name) {
  const std::string text = given.text(name);
  Ints numbers;
  for (const auto part : golden::split(text, '+')) numbers.push_back(std::stoll(std::string(part)));
  return numbers;
}

int whole(Case given, const std::string& name, int fallback = 0) {
  return static_cast<int>(given.number(name, fallback));
}

template <class Enum>
Enum one_of(Case given, const std::string& name, std::initializer_list<const char*> names) {
  const auto found = std::ranges::find(names, given.text(name, *names.begin()));
  REQUIRE(found != names.end());
  return static_cast<Enum>(found - names.begin());
}

std::optional<int> optional_axis(Case given) {
  return given.text("axis").empty() ? std::nullopt : std::optional<int>(whole(given, "axis"));
}

ops::ScatterReduction reduction(Case given) {
  return one_of<ops::ScatterReduction>(given, "reduction", {"none", "add", "mul", "min", "max"});
}

OpUnderTest moved(Tensor (*function)(Case)) {
  return {.run = [=](Case given) {
    return std::vector<Computed>{{"quern::ops", function(given).contiguous()}};
  }};
}

const std::map<std::string, OpUnderTest> kShapeOps = {
    {"split", moved([](Case given) {
       return ops::split(given.inputs[0], list(given, "sizes"), whole(given, "axis"))
           .at(static_cast<std::size_t>(whole(given, "part")));
     })},
    {"tile", moved([](Case given) { return ops::tile(given.inputs[0], list(given, "repeats")); })},
    {"pad", moved([](Case given) {
       const auto mode =
           one_of<ops::PadMode>(given, "mode", {"constant", "reflect", "edge", "wrap"});
       return ops::pad(given.inputs[0], list(given, "before"), list(given, "after"),
                       {.mode = mode});
     })},
    {"triangle", moved([](Case given) {
       return ops::triangle(given.inputs[0],
                            one_of<ops::Triangle>(given, "kept", {"lower", "upper"}),
                            whole(given, "diagonal"));
     })},
    {"reverse_sequence", moved([](Case given) {
       return ops::reverse_sequence(given.inputs[0], given.inputs[1], whole(given, "axis"),
                                    whole(given, "batch_axis"));
     })},
    {"depth_to_space", moved([](Case given) {
       return ops::depth_to_space(given.inputs[0], whole(given, "block"),
                                  one_of<ops::DepthOrder>(given, "order", {"depth", "block"}));
     })},
    {"space_to_depth",
     moved([](Case given) { return ops::space_to_depth(given.inputs[0], whole(given, "block")); })},
    {"permute",
     moved([](Case given) { return given.inputs[0].permute(Shape(list(given, "axes"))); })},
};

const std::map<std::string, OpUnderTest> kIndexingOps = {
    {"gather_elements", moved([](Case given) {
       return ops::gather_elements(given.inputs[0], given.inputs[1], whole(given, "axis"));
     })},
    {"gather_nd", moved([](Case given) {
       return ops::gather_nd(given.inputs[0], given.inputs[1], whole(given, "batch_dims"));
     })},
    {"scatter_elements", moved([](Case given) {
       return ops::scatter_elements(given.inputs[0], given.inputs[1], given.inputs[2],
                                    whole(given, "axis"), reduction(given));
     })},
    {"scatter_nd", moved([](Case given) {
       return ops::scatter_nd(given.inputs[0], given.inputs[1], given.inputs[2], reduction(given));
     })},
    {"compress", moved([](Case given) {
       return ops::compress(given.inputs[0], given.inputs[1], optional_axis(given));
     })},
    {"one_hot", moved([](Case given) {
       return ops::one_hot(given.inputs[0], whole(given, "depth"), given.inputs[1],
                           whole(given, "axis"));
     })},
    {"nonzero", moved([](Case given) { return ops::nonzero(given.inputs[0]); })},
    {"unique", moved([](Case given) {
       const ops::UniqueResult found = ops::unique(given.inputs[0], optional_axis(given));
       const Tensor parts[] = {found.values, found.first, found.inverse, found.counts};
       return parts[whole(given, "part")];
     })},
};

ops::Interpolation interpolation(Case given) {
  return one_of<ops::Interpolation>(given, "mode", {"nearest", "linear", "cubic"});
}

Tensor resized(Case given) {
  const Tensor& x = given.inputs[0];
  Shape sizes{x.dim(0), x.dim(1)};
  for (const std::int64_t size : list(given, "sizes")) sizes.push_back(size);
  ops::ResizeOptions options{.interpolation = interpolation(given),
                             .coordinates = ops::ResizeCoordinates::half_pixel,
                             .rounding = ops::NearestRounding::floor};
  if (options.interpolation == ops::Interpolation::nearest)
    options.coordinates = ops::ResizeCoordinates::asymmetric;
  if (whole(given, "corners") != 0) options.coordinates = ops::ResizeCoordinates::align_corners;
  options.antialias = whole(given, "antialias") != 0;
  options.exclude_outside = options.antialias;
  if (options.antialias) options.cubic_coefficient = -0.5f;
  return ops::resize(x, sizes, options);
}

/// Two corners each, in [0, 16), from values in [-1, 1): as moving_goldens.py makes them.
Tensor boxes_of(const Tensor& parts) {
  Tensor boxes = parts.clone();
  const auto values = boxes.mutable_data<float>();
  for (float& value : values) value = value * 8 + 8;
  for (std::size_t i = 0; i < values.size(); i += 4) {
    if (values[i] > values[i + 2]) std::swap(values[i], values[i + 2]);
    if (values[i + 1] > values[i + 3]) std::swap(values[i + 1], values[i + 3]);
  }
  return boxes;
}

ops::WindowOptions window(Case given) {
  Ints pads = list(given, "pads");
  const Ints after = pads;
  pads.insert(pads.end(), after.begin(), after.end());
  return {.strides = list(given, "strides"), .dilations = list(given, "dilations"), .pads = pads};
}

OpUnderTest resampling(Tensor (*function)(Case), std::int64_t terms) {
  OpUnderTest op = moved(function);
  op.terms = [terms](Case) { return terms; };
  return op;
}

const std::map<std::string, OpUnderTest> kImageOps = {
    {"resize", resampling(resized, 16)},
    {"grid_sample", resampling(
                        [](Case given) {
                          const auto padding = one_of<ops::SamplePadding>(
                              given, "padding", {"zeros", "border", "reflection"});
                          const std::string mode = given.text("mode", "linear");
                          const auto by = mode == "linear"    ? ops::Interpolation::linear
                                          : mode == "nearest" ? ops::Interpolation::nearest
                                                              : ops::Interpolation::cubic;
                          return ops::grid_sample(given.inputs[0], given.inputs[1],
                                                  {.interpolation = by,
                                                   .padding = padding,
                                                   .align_corners = whole(given, "corners") != 0});
                        },
                        16)},
    {"affine_grid", resampling(
                        [](Case given) {
                          return ops::affine_grid(given.inputs[0], Shape(list(given, "sizes")),
                                                  whole(given, "corners") != 0);
                        },
                        4)},
    {"roi_align", resampling(
                      [](Case given) {
                        const Tensor boxes = boxes_of(given.inputs[1]);
                        Ints images;
                        for (std::int64_t i = 0; i < boxes.dim(0); ++i)
                          images.push_back(i % given.inputs[0].dim(0));
                        return ops::roi_align(
                            given.inputs[0], boxes, Tensor::from(images, {boxes.dim(0)}),
                            {.height = 3,
                             .width = 5,
                             .scale = static_cast<float>(given.number("scale", 1)),
                             .samples = whole(given, "samples"),
                             .half_pixel = whole(given, "aligned") != 0});
                      },
                      64)},
    {"non_max_suppression", moved([](Case given) {
       const Tensor boxes = boxes_of(given.inputs[0]);
       const Tensor found = ops::non_max_suppression(
           boxes.unsqueeze(0), given.inputs[1].unsqueeze(0).unsqueeze(0),
           {.max_boxes = 100, .overlap = static_cast<float>(given.number("overlap", 0))});
       return found.slice(1, 2, 3).squeeze(1);
     })},
    {"col2im", resampling(
                   [](Case given) {
                     return ops::col2im(given.inputs[0], Shape(list(given, "image")),
                                        Shape(list(given, "block")), window(given));
                   },
                   6)},
    {"deform_conv", resampling(
                        [](Case given) {
                          const std::int64_t pad = whole(given, "pad");
                          const std::int64_t stride = whole(given, "stride", 1);
                          ops::DeformConvOptions options{.window = {.strides = {stride, stride},
                                                                    .dilations = {},
                                                                    .pads = {pad, pad, pad, pad}}};
                          const Tensor& weight = given.inputs[1];
                          const std::int64_t cells = weight.dim(2) * weight.dim(3);
                          options.groups = given.inputs[0].dim(1) / weight.dim(1);
                          options.offset_groups = given.inputs[2].dim(1) / (2 * cells);
                          return ops::deform_conv(given.inputs[0], weight, given.inputs[2],
                                                  given.inputs[3], given.inputs[4], options);
                        },
                        64)},
};

constexpr std::int64_t kHuge = std::int64_t{1} << 60;

}  // namespace

TEST_CASE("ops that move elements agree with NumPy in every dtype and layout") {
  check_goldens(kShapeOps, kMovingGoldens);
}

TEST_CASE("ops that choose elements agree with NumPy in every dtype and layout") {
  check_goldens(kIndexingOps, kMovingGoldens);
}

TEST_CASE("ops that resample images agree with PyTorch in every layout") {
  check_goldens(kImageOps, kMovingGoldens);
}

TEST_CASE("strings are moved, padded with empty ones, and found again") {
  using Words = std::vector<std::string>;
  const Tensor words = Tensor::from(Words{"b", "", "a", "b"}, {4});
  const auto all = [](const Tensor& x) {
    const Tensor row = x.contiguous();
    const auto data = row.data<std::string>();
    return Words(data.begin(), data.end());
  };
  CHECK(all(ops::pad(words, Ints{1}, Ints{-2})) == Words{"", "b", ""});
  CHECK(all(ops::tile(words.slice(0, 2, 4), Ints{2})) == Words{"a", "b", "a", "b"});
  CHECK(all(words.reshape({2, 2}).permute({1, 0})) == Words{"b", "a", "", "b"});
  CHECK(all(ops::unique(words).values) == Words{"", "a", "b"});
  CHECK(all(ops::unique(words, {}, false).values) == Words{"b", "", "a"});
  CHECK(ops::nonzero(words).numel() == 3);
}

TEST_CASE("arange counts as Python's range, up to the ends of a dtype") {
  const auto range = [](auto start, auto limit, auto step) {
    using T = decltype(start);
    const Tensor x =
        ops::arange(Tensor::scalar(start), Tensor::scalar(limit), Tensor::scalar(step));
    const auto data = x.data<T>();
    return std::vector<T>(data.begin(), data.end());
  };
  CHECK(range(1, 8, 3) == std::vector<int>{1, 4, 7});
  CHECK(range(10, 3, -3) == std::vector<int>{10, 7, 4});
  CHECK(range(3, 3, 1).empty());
  CHECK(range(0.f, 1.f, 0.25f) == std::vector<float>{0, 0.25f, 0.5f, 0.75f});
  constexpr auto kLast = std::numeric_limits<std::int64_t>::max();
  CHECK(range(kLast - 3, kLast, std::int64_t{2}) == Ints{kLast - 3, kLast - 1});
  CHECK(range(kLast, -kLast, -kLast) == Ints{kLast, 0});
  CHECK(code_of([&] { range(1, 2, 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { range(0.f, 1.f, std::nanf("")); }) == ErrorCode::invalid_argument);
}

TEST_CASE("casts read and write numbers, and keep bits where asked") {
  const Tensor words = Tensor::from(std::vector<std::string>{"1.5", " -3e2", "inf", "+7"}, {4});
  const Tensor numbers = ops::cast(words, DType::f32);
  CHECK(numbers.at<float>({1}) == -300.f);
  CHECK(std::isinf(numbers.at<float>({2})));
  const Tensor text = ops::cast(numbers, DType::string);
  CHECK(text.at<std::string>({0}) == "1.5");
  CHECK(text.at<std::string>({2}) == "INF");
  CHECK(code_of([&] { ops::cast(words, DType::i8); }) == ErrorCode::invalid_argument);
  CHECK(ops::cast(text.slice(0, 0, 1), DType::f8e4m3fn).cast(DType::f32).at<float>({0}) == 1.5f);

  const Tensor wide = Tensor::from({-9, 9, 7}, {3});
  CHECK(ops::cast(wide, DType::i4).cast(DType::i32).at<int>({0}) == -8);
  CHECK(ops::cast(wide, DType::i4, {.wrap = true}).cast(DType::i32).at<int>({0}) == 7);
  CHECK(ops::bit_cast(Tensor::scalar(1.f), DType::u32).item<std::uint32_t>() == 0x3f800000);
  CHECK(ops::bit_cast(Tensor::scalar<std::uint8_t>(2), DType::boolean).item<bool>());
  CHECK(code_of([] { ops::bit_cast(Tensor::scalar(1.f), DType::f64); }) ==
        ErrorCode::invalid_argument);
}

TEST_CASE("sizes that no memory holds are refused before anything is computed") {
  const Tensor x = Tensor::zeros({2, 3});
  const Tensor one = Tensor::scalar(std::int64_t{1});
  const auto refused = [](auto&& call) {
    const auto code = code_of(call);
    return code == ErrorCode::out_of_memory || code == ErrorCode::invalid_argument;
  };
  CHECK(refused([&] { ops::tile(x, Ints{kHuge, 1}); }));
  CHECK(refused([&] { ops::tile(x, Ints{kHuge, kHuge}); }));
  CHECK(refused([&] { ops::pad(x, Ints{kHuge, 0}, Ints{0, 0}); }));
  CHECK(refused([&] { ops::pad(x, Ints{kHuge * 7, kHuge * 7}, Ints{kHuge * 7, 0}); }));
  CHECK(refused([&] { ops::arange(one, Tensor::scalar(kHuge * 4), one); }));
  CHECK(refused([&] { ops::eye(kHuge, 2); }));
  CHECK(refused([&] { ops::one_hot(Tensor::zeros({2}, DType::i64), kHuge, Tensor::zeros({2})); }));
  CHECK(refused([&] { ops::gather_nd(x, Tensor::zeros({kHuge, 0}, DType::i64)); }));
  CHECK(refused([&] { ops::depth_to_space(Tensor::zeros({1, 1, 2, 2}), kHuge); }));
}

TEST_CASE("indices, axes and shapes that do not fit are refused") {
  const Tensor x = Tensor::zeros({2, 3});
  const auto at = [](std::int64_t id) { return Tensor::from({id}, {1, 1}); };
  const auto refused = [](auto&& call) { return code_of(call) == ErrorCode::invalid_argument; };
  CHECK(refused([&] { ops::gather_elements(x, at(2)); }));
  CHECK(refused([&] { ops::gather_nd(x, at(-3)); }));
  CHECK(refused([&] { ops::gather_nd(x, at(0), 2); }));
  CHECK(refused([&] { ops::scatter_elements(x, at(4), Tensor::zeros({1, 1}), 1); }));
  CHECK(refused([&] { ops::scatter_nd(x, at(0), Tensor::zeros({1, 2})); }));
  CHECK(refused([&] { ops::scatter_rows(x, x, Tensor::from({0, 1}, {2}), 1); }));
  CHECK(refused([&] { ops::split(x, Ints{1, 1}, 1); }));
  CHECK(refused([&] { ops::split(x, Ints{kHuge, -kHuge}, 1); }));
  CHECK(refused([&] { ops::pad(x, Ints{-2, 0}, Ints{-1, 0}); }));
  CHECK(refused([&] { ops::pad(x, Ints{-kHuge * 8, 0}, Ints{0, 0}); }));
  CHECK(refused([&] { x.squeeze(0); }));
  CHECK(refused([&] { x.unsqueeze(4); }));
}
