#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "backend/operation.h"
#include "ops/constant_weight.h"
#include "ops/packed_conv.h"
#include "ops/prepared_cache.h"
#include "ops/tap_conv.h"

namespace quern::ops {

/// What a source, its result and the operands decide of an operation.
struct ConvSignature {
  Shape src;
  DType dtype;
  std::vector<std::pair<DType, Shape>> operands;
  bool sums;  // the first step adds what lies in the result's own memory
  bool winograd;
  bool operator==(const ConvSignature&) const = default;
};

struct PackedConv::Impl {
  ConvSpec spec;  // its weight is here:
  std::shared_ptr<ConstantWeight> weight;
  backend::Window window;
  Shape output_padding;

  const char* name() const { return spec.transposed ? "conv_transpose" : "conv"; }
  std::int64_t channels_out() const {
    return spec.transposed ? weight->shape()[1] * spec.options.groups : weight->shape()[0];
  }
  std::int64_t channels_in() const {
    return spec.transposed ? weight->shape()[0] : weight->shape()[1] * spec.options.groups;
  }
  Prepared prepared_for(const ConvArgs& args, DType dtype, bool winograd = false) const;
  backend::ConvDesc describe(const ConvArgs& args, DType dtype, bool winograd = false) const;

  mutable TapConv taps;  // where it is run element by element of its window

 private:
  mutable PreparedCache<ConvSignature> prepared_;
};

}  // namespace quern::ops
