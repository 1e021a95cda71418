#pragma once

#include <cstdint>
#include <optional>

#include "quern/export.h"
#include "quern/tensor.h"

/// Signal processing. A complex signal has a last axis of size 2, a real one of size 1.
namespace quern::ops {

enum class FourierDirection { forward, inverse };
/// Which frequencies there are: all, or the first length / 2 + 1, which say all of a real signal.
enum class FourierSides { both, one };

struct DftOptions {
  FourierDirection direction = FourierDirection::forward;
  FourierSides sides = FourierSides::both;
  std::optional<std::int64_t> length;  ///< of the signal, which is cut or padded with 0
};
/// The discrete Fourier transform along `axis` (not the last); f32 and f64, f16 computed in f32.
/// Complex, but real where one side is transformed back. The inverse divides by the length.
QUERN_API Tensor dft(const Tensor& x, int axis, const DftOptions& options = {});

/// Transforms of frames of a signal [batch, length, 1 or 2], `step` apart, each times `window`
/// [size] where given -> [batch, frames, frequencies, 2].
QUERN_API Tensor stft(const Tensor& signal, std::int64_t size, std::int64_t step,
                      const std::optional<Tensor>& window, FourierSides sides = FourierSides::one);

struct MelOptions {
  std::int64_t bins = 0;
  std::int64_t dft_length = 0;
  std::int64_t sample_rate = 0;
  double low = 0, high = 0;  ///< Hz
};
/// Triangular filters [dft_length / 2 + 1, bins] that are evenly apart on the mel scale.
QUERN_API Tensor mel_weight_matrix(const MelOptions& options, DType dtype = DType::f32);

/// Whether a window's last element begins the next period or ends this one.
enum class WindowForm { periodic, symmetric };
/// [size], of a numeric dtype.
QUERN_API Tensor hann_window(std::int64_t size, WindowForm form = WindowForm::periodic,
                             DType dtype = DType::f32);
QUERN_API Tensor hamming_window(std::int64_t size, WindowForm form = WindowForm::periodic,
                                DType dtype = DType::f32);
QUERN_API Tensor blackman_window(std::int64_t size, WindowForm form = WindowForm::periodic,
                                 DType dtype = DType::f32);

}  // namespace quern::ops
