#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>
#include <unsupported/Eigen/FFT>
#include <vector>

#include "ops/rows.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

using Complex = std::complex<double>;

/// Transforms of one length, back or forth, of lines with `parts` numbers an element.
class Transform {
 public:
  Transform(const DftOptions& options, std::int64_t size, std::int64_t parts)
      : options_(options), size_(size), parts_(parts) {
    const bool mirrored = is_inverse() && is_one_sided();
    length_ = options.length.value_or(mirrored ? 2 * (size - 1) : size);
    require(length_ > 0, "dft: length {}", length_);
    require(!is_one_sided() || parts == (is_inverse() ? 2 : 1),
            "dft: one side of {} numbers an element", parts);
  }

  std::int64_t out_size() const {
    return is_one_sided() && !is_inverse() ? length_ / 2 + 1 : length_;
  }
  std::int64_t out_parts() const { return is_one_sided() && is_inverse() ? 1 : 2; }

  void run(const double* src, double* dst, Eigen::FFT<double>& fft) const {
    const std::vector<Complex> line = read(src);
    std::vector<Complex> result = line;
    if (length_ == 1) {
      // Eigen 3.4's transform of one element writes to an empty buffer.
    } else if (is_inverse()) {
      fft.inv(result, line);
    } else {
      fft.fwd(result, line);
    }
    for (std::int64_t i = 0; i < out_size(); ++i) {
      const Complex value = result[static_cast<std::size_t>(i)];
      *dst++ = value.real();
      if (out_parts() == 2) *dst++ = value.imag();
    }
  }

 private:
  bool is_inverse() const { return options_.direction == FourierDirection::inverse; }
  bool is_one_sided() const { return options_.sides == FourierSides::one; }

  std::vector<Complex> read(const double* src) const {
    std::vector<Complex> line(static_cast<std::size_t>(length_));
    const bool mirrored = is_inverse() && is_one_sided();
    const std::int64_t given = std::min(size_, mirrored ? length_ / 2 + 1 : length_);
    for (std::int64_t i = 0; i < given; ++i) {
      const Complex value{src[i * parts_], parts_ == 2 ? src[i * 2 + 1] : 0};
      if (mirrored && i > 0) line[static_cast<std::size_t>(length_ - i)] = std::conj(value);
      line[static_cast<std::size_t>(i)] = value;
    }
    return line;
  }

  DftOptions options_;
  std::int64_t size_, parts_;
  std::int64_t length_ = 0;
};

void check_signal(const char* name, const Tensor& x) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "{}: expected a floating dtype, got {}", name, x.dtype());
  require(x.rank() >= 2 && (x.dim(-1) == 1 || x.dim(-1) == 2),
          "{}: expected a last axis of size 1 or 2, got {}", name, x.shape());
}

/// a0 - a1 cos(2πn/N) + a2 cos(4πn/N).
Tensor cosine_window(std::int64_t size, WindowForm form, DType dtype,
                     const std::array<double, 3>& terms) {
  require(size >= 0, "window: size {}", size);
  Tensor window = Tensor::empty({size}, DType::f64);
  const auto period = static_cast<double>(form == WindowForm::periodic ? size : size - 1);
  double n = 0;
  for (double& value : window.mutable_data<double>()) {
    const double angle = 2 * std::numbers::pi * n++ / period;
    value =
        period == 0 ? 1 : terms[0] - terms[1] * std::cos(angle) + terms[2] * std::cos(2 * angle);
  }
  return window.cast(dtype);
}

}  // namespace

Tensor dft(const Tensor& x, int axis, const DftOptions& options) {
  check_signal("dft", x);
  const int along = normal_axis("dft", axis, x);
  require(along < x.rank() - 1, "dft: axis {} of {} holds real and imaginary parts", axis,
          x.shape());
  const int place = x.rank() - 2;
  const Tensor lines = x.transpose(along, place).cast(DType::f64).contiguous();
  const std::int64_t size = lines.dim(-2);
  const std::int64_t parts = lines.dim(-1);
  const Transform transform(options, size, parts);
  Shape shape = lines.shape();
  shape[place] = transform.out_size();
  shape[place + 1] = transform.out_parts();
  Tensor dst = Tensor::empty(shape, DType::f64);
  const double* from = lines.data<double>().data();
  double* to = dst.mutable_data<double>().data();
  const std::int64_t stride = transform.out_size() * transform.out_parts();
  parallel_for(dst.numel() / stride, std::max<std::int64_t>(4096 / stride, 1),
               [&](std::int64_t begin, std::int64_t end) {
                 Eigen::FFT<double> fft;
                 for (std::int64_t i = begin; i < end; ++i)
                   transform.run(from + i * size * parts, to + i * stride, fft);
               });
  return dst.transpose(along, place).cast(x.dtype()).contiguous();
}

Tensor stft(const Tensor& signal, std::int64_t size, std::int64_t step,
            const std::optional<Tensor>& window, FourierSides sides) {
  check_signal("stft", signal);
  require(signal.rank() == 3, "stft: expected a signal [batch, length, 1 or 2], got {}",
          signal.shape());
  const std::int64_t length = signal.dim(1);
  require(size > 0 && step > 0 && size <= length,
          "stft: frames of {} elements, {} apart, of a signal of {}", size, step, length);
  if (window) {
    require_same_dtype("stft", signal, *window);
    require(window->shape() == Shape{size}, "stft: window has shape {}, expected [{}]",
            window->shape(), size);
  }
  const std::int64_t frames = (length - size) / step + 1;
  std::vector<Tensor> cut;
  for (std::int64_t i = 0; i < frames; ++i)
    cut.push_back(signal.slice(1, i * step, i * step + size));
  Tensor framed = concat(cut, 1).reshape({signal.dim(0), frames, size, signal.dim(2)});
  if (window) framed = mul(framed, window->reshape({size, 1}));
  DftOptions options;
  options.sides = sides;
  return dft(framed, 2, options);
}

Tensor mel_weight_matrix(const MelOptions& options, DType dtype) {
  require(options.bins > 0 && options.dft_length > 0 && options.sample_rate > 0 &&
              options.low >= 0 && options.low <= options.high &&
              options.high <= static_cast<double>(options.sample_rate) / 2,
          "mel_weight_matrix: {} bins of a transform of {} at {} Hz, from {} to {} Hz",
          options.bins, options.dft_length, options.sample_rate, options.low, options.high);
  const std::int64_t rows = options.dft_length / 2 + 1;
  Tensor matrix = Tensor::zeros({rows, options.bins});
  const auto mel_of = [](double frequency) { return 2595 * std::log10(1 + frequency / 700); };
  const double low = mel_of(options.low);
  const double step = (mel_of(options.high) - low) / static_cast<double>(options.bins + 2);
  const auto edge = [&](std::int64_t i) {
    const double frequency = 700 * (std::pow(10, (low + static_cast<double>(i) * step) / 2595) - 1);
    const double place = std::floor(static_cast<double>(options.dft_length + 1) * frequency /
                                    static_cast<double>(options.sample_rate));
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(place), 0, rows - 1);
  };
  for (std::int64_t bin = 0; bin < options.bins; ++bin) {
    const std::int64_t left = edge(bin);
    const std::int64_t centre = edge(bin + 1);
    const std::int64_t right = edge(bin + 2);
    for (std::int64_t row = left; row < centre; ++row)
      matrix.mutable_at<float>({row, bin}) =
          static_cast<float>(row - left) / static_cast<float>(centre - left);
    matrix.mutable_at<float>({centre, bin}) = 1;
    for (std::int64_t row = centre; row < right; ++row)
      matrix.mutable_at<float>({row, bin}) =
          static_cast<float>(right - row) / static_cast<float>(right - centre);
  }
  return matrix.cast(dtype);
}

Tensor hann_window(std::int64_t size, WindowForm form, DType dtype) {
  return cosine_window(size, form, dtype, {0.5, 0.5, 0});
}
Tensor hamming_window(std::int64_t size, WindowForm form, DType dtype) {
  return cosine_window(size, form, dtype, {25. / 46, 21. / 46, 0});
}
Tensor blackman_window(std::int64_t size, WindowForm form, DType dtype) {
  return cosine_window(size, form, dtype, {0.42, 0.5, 0.08});
}

}  // namespace quern::ops
