#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/dtype.h"
#include "quern/export.h"
#include "quern/function.h"
#include "quern/shape.h"
#include "quern/tensor.h"

namespace quern {

/// How a file stores the values of a weight: plain elements, or GGUF's blocks of quantised ones.
/// A block holds 32 to 256 values along the innermost axis, most of them 32 (`q4_0` to `iq4_nl`
/// below, and `q8_1`) or 256. Products with those of the rows from `q8_1` on are slower: `exact`.
/// The last two are of no file: blocks of 32 codes under scales in f32, as ONNX has them.
enum class Encoding : std::uint8_t {
  // clang-format off
  dense,
  q4_0, q4_1, q5_0, q5_1, q8_0, mxfp4, iq4_nl,
  q2_k, q3_k, q4_k, q5_k, q6_k, q8_k, iq4_xs, tq1_0, tq2_0,
  q8_1, nvfp4, q1_0, q2_0,
  iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s,
  q4_f32, q8_f32
  // clang-format on
};

/// Name of an encoding, as it stands in the enum: "q4_k".
QUERN_API std::string_view to_string(Encoding encoding) noexcept;

/// How products with block-quantised weights are computed. Dense weights are always `exact`.
enum class Accuracy : std::uint8_t {
  fast,   ///< activations are rounded to 8 bits with a scale for each 32 values of a row
  exact,  ///< activations stay f32
};

/// One weight as its file stores it: a dense tensor, or quantised blocks left where they are.
///
/// A cheap value that shares the stored bytes. Immutable, so safe to share between threads.
class QUERN_API Weight {
 public:
  Weight() = default;
  Weight(Tensor dense);  // NOLINT: a tensor is a weight
  /// Blocks of `encoding` in row-major order, kept alive by `owner`. Throws: `invalid_argument`
  /// where the innermost size is not a whole number of blocks or `bytes` has another size.
  Weight(Encoding encoding, const Shape& shape, std::span<const std::byte> bytes,
         std::shared_ptr<const void> owner);

  Encoding encoding() const noexcept { return encoding_; }
  const Shape& shape() const noexcept { return shape_; }
  /// The stored bytes; of a dense weight, its elements in row-major order.
  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  /// dtype name of a dense weight, else the encoding's name: "bf16", "q4_k".
  std::string_view type_name() const noexcept;

  /// The dense tensor: the stored one (no copy) or the blocks decoded to f32.
  Tensor tensor() const;
  /// The dense tensor in `dtype`.
  Tensor tensor(DType dtype) const { return tensor().cast(dtype); }

  /// Rows [begin, end) along the outermost axis, of any encoding; shares the stored bytes. Throws:
  /// `invalid_argument` for rows that are not there.
  Weight rows(std::int64_t begin, std::int64_t end) const;
  /// The same elements under other outer sizes: a matrix of a stack is `rows(i, i + 1)` reshaped.
  /// Throws: `invalid_argument` where the number of elements or the innermost size is another.
  Weight reshape(const Shape& shape) const;
  /// The rows of `parts` one after another, copied. Throws: `invalid_argument` where there are
  /// none, or where encoding, dtype or the shape of a row differ.
  static Weight concat(std::span<const Weight> parts);

 private:
  Encoding encoding_ = Encoding::dense;
  Tensor dense_;
  Shape shape_{0};
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
};

class WeightsView;

/// Called while a file loads, with a share from 0 to 1; from the loading thread.
using LoadProgress = Function<void(double done)>;

/// Named weights: those of a file, whatever its format, or of a map.
///
/// Copies share one immutable store; safe to use from several threads.
class QUERN_API Weights {
 public:
  Weights();
  explicit Weights(std::map<std::string, Weight> weights);

  /// Maps a .safetensors file, a model.safetensors.index.json with its shards, a folder that holds
  /// either, or a .gguf file, recognised by content. Nothing is copied: weights view the mapped
  /// file. Throws: `not_found`, `corrupt_file` (with the offset), `unsupported`.
  static Weights open(const std::string& path, const LoadProgress& progress = {});

  bool contains(std::string_view name) const;
  /// Throws: `not_found`, naming similar weights.
  const Weight& get(std::string_view name) const;
  Tensor tensor(std::string_view name) const { return get(name).tensor(); }
  /// Sorted.
  std::vector<std::string> names() const;
  std::size_t size() const noexcept;

  /// The weights whose names start with `prefix` + ".", under the rest of their names; "" is all.
  WeightsView view(std::string_view prefix = {}) const;

 private:
  struct Store;
  std::shared_ptr<const Store> store_;
};

/// Weights below a prefix: what a layer loads from, so that it knows neither model nor file.
class QUERN_API WeightsView {
 public:
  WeightsView(Weights weights, std::string prefix);                  // NOLINT
  WeightsView(const Weights& weights) : WeightsView(weights, "") {}  // NOLINT: all of them

  WeightsView operator[](std::string_view name) const;
  bool contains(std::string_view name) const;
  /// Throws: `not_found` with the full name.
  const Weight& get(std::string_view name) const;
  /// As `get`, and throws `invalid_argument` where the shape is another.
  const Weight& get(std::string_view name, const Shape& shape) const;
  Tensor tensor(std::string_view name) const { return get(name).tensor(); }
  /// `prefix.name`, for messages.
  std::string full_name(std::string_view name) const;

 private:
  Weights weights_;
  std::string prefix_;
};

}  // namespace quern
