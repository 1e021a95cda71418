#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/parallel.h"
#include "core/visit.h"
#include "quern/ops/image.h"

namespace quern::ops {
namespace {

Tensor wide_floats(const char* operation, const Tensor& x) {
  require(is_floating(x.dtype()), "{}: expected a floating dtype, got {}", operation, x.dtype());
  return x.cast(DType::f32).contiguous();
}

/// Four neighbours of a place between elements, and their weights.
struct Bilinear {
  std::array<std::int64_t, 4> offsets{};
  std::array<float, 4> weights{};
};

Bilinear bilinear_at(float y, float x, std::int64_t height, std::int64_t width) {
  Bilinear at;
  if (!(y >= -1 && y <= static_cast<float>(height) && x >= -1 && x <= static_cast<float>(width)))
    return at;
  const auto split = [](float place, std::int64_t size) {
    const float inside = std::clamp(place, 0.f, static_cast<float>(size - 1));
    const auto low = static_cast<std::int64_t>(inside);
    return std::tuple(low, std::min(low + 1, size - 1), inside - static_cast<float>(low));
  };
  const auto [top, bottom, down] = split(y, height);
  const auto [left, right, across] = split(x, width);
  at.offsets = {top * width + left, top * width + right, bottom * width + left,
                bottom * width + right};
  at.weights = {(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across};
  return at;
}

struct RoiGrid {
  std::int64_t rows, columns;     ///< samples of a cell
  std::vector<Bilinear> samples;  ///< [height * width * rows * columns]
};

constexpr float kFarthest = 1 << 20;

RoiGrid grid_of(const float* box, std::int64_t height, std::int64_t width,
                const RoiAlignOptions& options) {
  const float shift = options.half_pixel ? 0.5f : 0.f;
  std::array<float, 4> corners;
  for (std::size_t i = 0; i < 4; ++i) {
    corners[i] = box[i] * options.scale - shift;
    require(std::abs(corners[i]) < kFarthest, "roi_align: a box at {}", box[i]);
  }
  float wide = corners[2] - corners[0];
  float high = corners[3] - corners[1];
  if (!options.half_pixel) {
    wide = std::max(wide, 1.f);
    high = std::max(high, 1.f);
  }
  const float cell_height = high / static_cast<float>(options.height);
  const float cell_width = wide / static_cast<float>(options.width);
  const auto count = [&](float size) {
    return options.samples > 0
               ? options.samples
               : std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(size)));
  };
  RoiGrid grid{count(cell_height), count(cell_width), {}};
  const Shape cells{options.height, options.width, grid.rows, grid.columns};
  require(cells.numel() <= std::int64_t{1} << 24, "roi_align: {} samples of a box", cells);
  for (std::int64_t i = 0; i < cells.numel(); ++i) {
    const auto place = [](std::int64_t cell, std::int64_t sample, std::int64_t samples) {
      return static_cast<float>(cell) +
             (static_cast<float>(sample) + 0.5f) / static_cast<float>(samples);
    };
    const std::int64_t column = i % grid.columns;
    const std::int64_t row = i / grid.columns % grid.rows;
    const std::int64_t cell = i / (grid.columns * grid.rows);
    const float y = corners[1] + place(cell / options.width, row, grid.rows) * cell_height;
    const float x = corners[0] + place(cell % options.width, column, grid.columns) * cell_width;
    grid.samples.push_back(bilinear_at(y, x, height, width));
  }
  return grid;
}

float pooled(const float* plane, std::span<const Bilinear> samples, RoiPooling pooling) {
  float sum = 0;
  float most = -std::numeric_limits<float>::infinity();
  for (const Bilinear& at : samples) {
    for (std::size_t k = 0; k < 4; ++k) {
      const float part = at.weights[k] * plane[at.offsets[k]];
      sum += part;
      most = std::max(most, part);
    }
  }
  if (samples.empty()) return 0;
  return pooling == RoiPooling::max ? most : sum / static_cast<float>(samples.size());
}

void require_image(const char* operation, const Tensor& x) {
  require(x.rank() == 4, "{}: expected [batch, channels, height, width], got {}", operation,
          x.shape());
}

struct Box {
  float y1, x1, y2, x2;
  float area() const { return (y2 - y1) * (x2 - x1); }
};

Box box_at(const float* given, bool centers) {
  if (centers) {
    const float x = given[0], y = given[1], w = given[2] / 2, h = given[3] / 2;
    return {y - h, x - w, y + h, x + w};
  }
  const auto [y1, y2] = std::minmax(given[0], given[2]);
  const auto [x1, x2] = std::minmax(given[1], given[3]);
  return {y1, x1, y2, x2};
}

bool overlaps(const Box& a, const Box& b, float threshold) {
  const float high = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  const float wide = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (!(high > 0) || !(wide > 0)) return false;
  const float shared = high * wide;
  const float all = a.area() + b.area() - shared;
  return a.area() > 0 && b.area() > 0 && all > 0 && shared / all > threshold;
}

/// Boxes of one class of one image that stay, the best first.
std::vector<std::int64_t> best_boxes(std::span<const Box> boxes, const float* scores,
                                     const NmsOptions& options) {
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < std::ssize(boxes); ++i) {
    if (!std::isnan(scores[i]) && (!options.score || scores[i] > *options.score))
      order.push_back(i);
  }
  std::ranges::stable_sort(order, std::greater<>(), [&](std::int64_t i) { return scores[i]; });
  std::vector<std::int64_t> kept;
  for (const std::int64_t i : order) {
    if (std::ssize(kept) >= options.max_boxes) break;
    const auto box_of = [&](std::int64_t at) { return boxes[static_cast<std::size_t>(at)]; };
    const bool is_new = std::ranges::none_of(kept, [&](std::int64_t better) {
      return overlaps(box_of(better), box_of(i), options.overlap);
    });
    if (is_new) kept.push_back(i);
  }
  return kept;
}

}  // namespace

Tensor roi_align(const Tensor& x, const Tensor& boxes, const Tensor& images,
                 const RoiAlignOptions& options) {
  require_image("roi_align", x);
  const std::int64_t count = images.numel();
  require(boxes.shape() == Shape{count, 4} && images.rank() == 1,
          "roi_align: boxes {} and images {}", boxes.shape(), images.shape());
  require(options.height > 0 && options.width > 0 && options.samples >= 0,
          "roi_align: results of {} x {} from {} samples", options.height, options.width,
          options.samples);
  const std::int64_t channels = x.dim(1), height = x.dim(2), width = x.dim(3);
  const Tensor src = wide_floats("roi_align", x);
  const Tensor corners = wide_floats("roi_align", boxes);
  const Tensor places = images.cast(DType::i64).contiguous();
  Tensor dst = Tensor::empty({count, channels, options.height, options.width});
  for (const std::int64_t image : places.data<std::int64_t>())
    require(image >= 0 && image < x.dim(0), "roi_align: image {} of {}", image, x.dim(0));
  if (dst.numel() == 0) return dst.cast(x.dtype());
  require(height > 0 && width > 0, "roi_align: nothing in shape {}", x.shape());
  const std::int64_t cells = options.height * options.width;
  float* to = dst.mutable_data<float>().data();
  parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t box = begin; box < end; ++box) {
      const RoiGrid grid = grid_of(corners.data<float>().data() + 4 * box, height, width, options);
      const auto samples = static_cast<std::size_t>(grid.rows * grid.columns);
      const std::int64_t image = places.data<std::int64_t>()[static_cast<std::size_t>(box)];
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        const float* plane =
            src.data<float>().data() + (image * channels + channel) * height * width;
        for (std::int64_t cell = 0; cell < cells; ++cell)
          to[(box * channels + channel) * cells + cell] = pooled(
              plane,
              std::span(grid.samples).subspan(static_cast<std::size_t>(cell) * samples, samples),
              options.pooling);
      }
    }
  });
  return dst.cast(x.dtype());
}

Tensor roi_max_pool(const Tensor& x, const Tensor& boxes, std::int64_t height, std::int64_t width,
                    float scale) {
  require_image("roi_max_pool", x);
  require(boxes.rank() == 2 && boxes.dim(1) == 5, "roi_max_pool: boxes {}", boxes.shape());
  require(height > 0 && width > 0, "roi_max_pool: results of {} x {}", height, width);
  const Tensor src = wide_floats("roi_max_pool", x);
  const Tensor rows = wide_floats("roi_max_pool", boxes);
  const std::int64_t channels = x.dim(1);
  Tensor dst = Tensor::zeros({boxes.dim(0), channels, height, width});
  float* to = dst.mutable_data<float>().data();
  for (std::int64_t i = 0; i < boxes.dim(0); ++i) {
    std::array<std::int64_t, 5> box;
    for (std::size_t k = 0; k < 5; ++k) {
      const float given = rows.data<float>()[static_cast<std::size_t>(i) * 5 + k];
      const float scaled = k == 0 ? given : given * scale;
      require(std::abs(scaled) < kFarthest, "roi_max_pool: a box at {}", given);
      box[k] = static_cast<std::int64_t>(std::round(scaled));
    }
    require(box[0] >= 0 && box[0] < x.dim(0), "roi_max_pool: image {} of {}", box[0], x.dim(0));
    // The elements [first, last) of a cell along one axis.
    const auto cell = [](std::int64_t start, std::int64_t end, std::int64_t at, std::int64_t cells,
                         std::int64_t size) {
      const double each = static_cast<double>(std::max<std::int64_t>(end - start + 1, 1)) /
                          static_cast<double>(cells);
      const auto place = [&](double edge) {
        return std::clamp<std::int64_t>(static_cast<std::int64_t>(edge) + start, 0, size);
      };
      return std::pair(place(std::floor(static_cast<double>(at) * each)),
                       place(std::ceil(static_cast<double>(at + 1) * each)));
    };
    for (std::int64_t c = 0; c < channels; ++c) {
      const float* plane = src.data<float>().data() + (box[0] * channels + c) * x.dim(2) * x.dim(3);
      for (std::int64_t at = 0; at < height * width; ++at) {
        const auto [top, bottom] = cell(box[2], box[4], at / width, height, x.dim(2));
        const auto [left, right] = cell(box[1], box[3], at % width, width, x.dim(3));
        float most = top < bottom && left < right ? -std::numeric_limits<float>::infinity() : 0;
        for (std::int64_t row = top; row < bottom; ++row) {
          for (std::int64_t column = left; column < right; ++column)
            most = std::max(most, plane[row * x.dim(3) + column]);
        }
        to[(i * channels + c) * height * width + at] = most;
      }
    }
  }
  return dst.cast(x.dtype());
}

Tensor non_max_suppression(const Tensor& boxes, const Tensor& scores, const NmsOptions& options) {
  require(boxes.rank() == 3 && boxes.dim(2) == 4 && scores.rank() == 3 &&
              scores.dim(0) == boxes.dim(0) && scores.dim(2) == boxes.dim(1),
          "non_max_suppression: boxes {} and scores {}", boxes.shape(), scores.shape());
  const Tensor places = boxes.contiguous();
  const Tensor wide_scores = scores.contiguous();
  const auto corners = places.data<float>();
  const float* score = wide_scores.data<float>().data();
  const std::int64_t count = boxes.dim(1);
  std::vector<std::int64_t> rows;
  std::vector<Box> shapes;
  for (std::int64_t image = 0; image < scores.dim(0) && count > 0; ++image) {
    shapes.clear();
    for (std::int64_t i = 0; i < count; ++i)
      shapes.push_back(box_at(corners.data() + (image * count + i) * 4, options.centers));
    for (std::int64_t label = 0; label < scores.dim(1); ++label, score += count) {
      for (const std::int64_t box : best_boxes(shapes, score, options))
        rows.insert(rows.end(), {image, label, box});
    }
  }
  return Tensor::from(rows, {std::ssize(rows) / 3, 3});
}

}  // namespace quern::ops
