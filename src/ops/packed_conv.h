#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ops/implementations.h"
#include "ops/layout.h"
#include "ops/step.h"
#include "quern/ops/convolution.h"

namespace quern::ops {

/// A convolution with everything that is known before its source.
struct ConvSpec {
  Tensor weight;                 ///< [out, in / groups, ...]; transposed [in, out / groups, ...]
  std::optional<Tensor> bias{};  ///< [out]
  ConvOptions options{};
  bool transposed = false;
  Shape output_padding{};     ///< transposed only
  std::vector<Step> steps{};  ///< in order; operands come with each source
  bool runs_once = false;     ///< so that packing the weight must not take long
};

/// Whether a source is known to hold neither NaN nor infinity, which some algorithms spread.
enum class Finite : std::uint8_t { unknown, yes };

struct ConvArgs;

/// A convolution whose weight is constant: packed once for each layout that oneDNN's kernels want,
/// and from then on kept in such a layout alone.
///
/// Copies share the packed weights. Safe to use from several threads.
class PackedConv {
 public:
  /// Shares the elements of weight and bias. Throws: `invalid_argument`, `unsupported`.
  explicit PackedConv(ConvSpec spec);

  /// Of the result for a source of `src`. Throws: `invalid_argument`.
  Shape result_shape(const Shape& src) const;
  /// dst = steps(conv(src) + bias). `dst` of src's dtype, in either layout; sources in other
  /// layouts are copied. `operands`: one for each step that has one, broadcasting to dst; one may
  /// be dst itself, to which the product is added in place where the first step says so. Steps may
  /// make numbers of NaN: see Step::keeps_non_finite().
  void run(const Tensor& src, const Tensor& dst, std::span<const Tensor> operands = {},
           Finite finite = Finite::unknown) const;
  /// The same in `layout`, or contiguous where that is what a contiguous source is fastest to.
  Tensor operator()(const Tensor& src, Layout layout, std::span<const Tensor> operands = {},
                    Finite finite = Finite::unknown) const;
  /// Where that puts it.
  Tensor empty_result(const Tensor& src, Layout layout) const;
  /// As `run`, where a kernel does it with all steps at once; else false, having written nothing.
  /// Operands that are neither of the result's shape nor one element nor one a channel, and all
  /// behind oneDNN's `gemm` convolutions, which read them wrongly, are for `run` with no steps and
  /// the steps after it: `run` itself would do it all in slow loops.
  bool try_run(const Tensor& src, const Tensor& dst, std::span<const Tensor> operands,
               Finite finite) const;

  /// The same without its steps; shares the packed weights.
  PackedConv without_steps() const;

  struct Impl;
  const Impl& impl() const noexcept { return *impl_; }

 private:
  explicit PackedConv(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  ConvArgs checked(const Tensor& src, const Tensor& dst, std::span<const Tensor> operands,
                   Finite finite) const;

  std::shared_ptr<const Impl> impl_;
};

struct ConvArgs {
  const PackedConv::Impl& conv;
  Tensor src;
  Tensor dst;                    ///< not empty
  std::vector<Tensor> operands;  ///< of dst's rank
  Finite finite = Finite::unknown;
};

std::span<const Implementation<ConvArgs>> conv_implementations();

}  // namespace quern::ops
