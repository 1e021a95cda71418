#include <algorithm>
#include <string_view>
#include <type_traits>
#include <utility>

#include "backend/onednn.h"
#include "core/error.h"

namespace quern::backend::version {
namespace {

using Attr = dnnl::primitive_attr;
using dnnl::prop_kind;

/// Of the kernels for Winograd's algorithm that which makes tiles of 4 x 4, where it is and its
/// weights, which are twice as large, stay in a near cache.
template <class PrimitiveDesc>
void prefer_large_tiles(PrimitiveDesc& created) {
  constexpr std::size_t kSmall = std::size_t{1} << 21;
  const std::string_view first = created.impl_info_str();
  if (first.find("wino_2x3") == first.npos || created.weights_desc().get_size() > kSmall) return;
  PrimitiveDesc other = created;
  while (other.next_impl()) {
    if (std::string_view(other.impl_info_str()).find("wino_4x3") == first.npos) continue;
    created = other;
    return;
  }
}

#if DNNL_VERSION_MAJOR >= 3

/// False where no other kernel is left. oneDNN 3.12's "brg_conv_fwd" misreads images of one channel
/// whose rows have one place of the result and a stride.
template <class PrimitiveDesc>
bool leave_misreading_kernel(PrimitiveDesc& created) {
  const auto places = created.dst_desc().get_dims();
  const auto weights = created.weights_desc().get_dims();
  const std::size_t axes = places.size() - 2;
  const bool one_channel = weights[weights.size() - axes - 1] == 1;
  if (!one_channel || places.back() != 1 || created.get_strides().back() == 1) return true;
  while (std::string_view(created.impl_info_str()).starts_with("brg_conv")) {
    if (!created.next_impl()) return false;
  }
  return true;
}

template <class Primitive, class... Args>
std::optional<dnnl::primitive_desc_base> create(const Attr& attr, const Args&... args) {
  typename Primitive::primitive_desc created(cpu_engine(), args..., attr, /*allow_empty=*/true);
  if (created.get(true) == nullptr) return std::nullopt;
  if constexpr (std::is_same_v<Primitive, dnnl::convolution_forward>) {
    if (!leave_misreading_kernel(created)) return std::nullopt;
    prefer_large_tiles(created);
  }
  return static_cast<dnnl::primitive_desc_base&>(created);
}

#else

template <class Primitive, class... Args>
std::optional<dnnl::primitive_desc_base> create(const Attr& attr, const Args&... args) {
  const typename Primitive::desc description(args...);
  typename Primitive::primitive_desc created(description, attr, cpu_engine(), /*allow_empty=*/true);
  if (created.get(true) == nullptr) return std::nullopt;
  if constexpr (std::is_same_v<Primitive, dnnl::convolution_forward>) prefer_large_tiles(created);
  return static_cast<dnnl::primitive_desc_base&>(created);
}

#endif

// oneDNN counts the elements between two of a window.
dnnl::memory::dims gaps_of(const Shape& dilations) {
  dnnl::memory::dims gaps = to_onednn(dilations);
  for (auto& gap : gaps) --gap;
  return gaps;
}

dnnl::normalization_flags flags_of(const LayerNormDesc& desc) {
  auto flags = dnnl::normalization_flags::none;
  if (desc.has_scale) flags = flags | dnnl::normalization_flags::use_scale;
  if (desc.has_shift) flags = flags | dnnl::normalization_flags::use_shift;
  return flags;
}

#if DNNL_VERSION_MAJOR >= 3
/// Elements follow each other in row-major order; the stride of an axis of size 1 moves nothing.
bool is_dense(const TensorDesc& desc) {
  const auto strides = row_major_strides(desc.shape);
  for (int axis = 0; axis < desc.shape.rank(); ++axis) {
    if (desc.shape[axis] != 1 && desc.strides[axis] != strides[axis]) return false;
  }
  return true;
}
#endif

}  // namespace

std::optional<dnnl::primitive_desc_base> matmul(const MatMulDesc& desc, const Attr& attr,
                                                const dnnl::memory::desc& weights) {
  const auto src = to_onednn(desc.src);
  const auto dst = to_onednn(desc.dst);
#if DNNL_VERSION_MAJOR >= 3
  // 3.12 multiplies the wrong elements where k is 1 and matrices of a batch do not follow one
  // another.
  if (desc.src.shape.dim(-1) == 1 && !(is_dense(desc.src) && is_dense(desc.weights)))
    return std::nullopt;
#endif
  if (desc.bias.empty()) return create<dnnl::matmul>(attr, src, weights, dst);
  return create<dnnl::matmul>(attr, src, weights, to_onednn(desc.bias.front()), dst);
}

std::optional<dnnl::primitive_desc_base> softmax(const SoftmaxDesc& desc, const Attr& attr) {
  const auto algorithm =
      desc.logarithm ? dnnl::algorithm::softmax_log : dnnl::algorithm::softmax_accurate;
  const int axis = desc.axis < 0 ? desc.axis + desc.src.shape.rank() : desc.axis;
#if DNNL_VERSION_MAJOR >= 3
  using Softmax = dnnl::softmax_forward;
#else
  using Softmax = dnnl::softmax_v2_forward;
#endif
  return create<Softmax>(attr, prop_kind::forward_inference, algorithm, to_onednn(desc.src),
                         to_onednn(desc.dst), axis);
}

std::optional<dnnl::primitive_desc_base> layer_norm(const LayerNormDesc& desc, const Attr& attr) {
#if DNNL_VERSION_MAJOR >= 3
  return create<dnnl::layer_normalization_forward>(attr, prop_kind::forward_inference,
                                                   to_onednn(desc.src), to_onednn(desc.dst),
                                                   desc.epsilon, flags_of(desc));
#else
  const auto src = to_onednn(desc.src);
  if (src != to_onednn(desc.dst)) return std::nullopt;  // version 2 has one description for both
  return create<dnnl::layer_normalization_forward>(attr, prop_kind::forward_inference, src,
                                                   desc.epsilon, flags_of(desc));
#endif
}

std::optional<dnnl::primitive_desc_base> eltwise(const EltwiseDesc& desc, const Attr& attr) {
  const PostOp step = with_parameters(PostOp::apply(desc.function, desc.alpha, desc.beta));
  const auto src = to_onednn(desc.src);
  const auto dst = to_onednn(desc.dst);
#if DNNL_VERSION_MAJOR >= 3
  return create<dnnl::eltwise_forward>(attr, prop_kind::forward_inference, to_onednn(step.eltwise),
                                       src, dst, step.alpha, step.beta);
#else
  if (src != dst) return std::nullopt;
  return create<dnnl::eltwise_forward>(attr, prop_kind::forward_inference, to_onednn(step.eltwise),
                                       src, step.alpha, step.beta);
#endif
}

std::optional<dnnl::primitive_desc_base> binary(const BinaryDesc& desc, const Attr& attr) {
  return create<dnnl::binary>(attr, to_onednn(desc.operation), to_onednn(desc.src),
                              to_onednn(desc.src1), to_onednn(desc.dst));
}

std::optional<dnnl::primitive_desc_base> reduction(const ReductionDesc& desc, const Attr& attr) {
  return create<dnnl::reduction>(attr, to_onednn(desc.operation), to_onednn(desc.src),
                                 to_onednn(desc.dst), 0.f, 0.f);
}

std::optional<dnnl::primitive_desc_base> reorder(const ReorderDesc& desc, const Attr& attr) {
  dnnl::reorder::primitive_desc created(cpu_engine(), to_onednn(desc.src), cpu_engine(),
                                        to_onednn(desc.dst), attr,
                                        /*allow_empty=*/true);
  if (created.get(true) == nullptr) return std::nullopt;
  return static_cast<dnnl::primitive_desc_base&>(created);
}

template <class Primitive>
std::optional<dnnl::primitive_desc_base> create_convolution(const ConvDesc& desc, const Attr& attr,
                                                            const dnnl::memory::desc& weights,
                                                            dnnl::algorithm algorithm) {
  const auto place = [&](const TensorDesc& image) {
    return desc.winograd ? in_blocks(to_onednn(image)) : to_onednn(image);
  };
  const auto src = place(desc.src);
  const auto dst = place(desc.dst);
  const auto strides = to_onednn(desc.window.strides);
  const auto gaps = gaps_of(desc.window.dilations);
  const auto begin = to_onednn(desc.window.pads_begin);
  const auto end = to_onednn(desc.window.pads_end);
  if (desc.bias.empty()) {
    return create<Primitive>(attr, prop_kind::forward_inference, algorithm, src, weights, dst,
                             strides, gaps, begin, end);
  }
  return create<Primitive>(attr, prop_kind::forward_inference, algorithm, src, weights,
                           to_onednn(desc.bias.front()), dst, strides, gaps, begin, end);
}

std::optional<dnnl::primitive_desc_base> convolution(const ConvDesc& desc, const Attr& attr,
                                                     const dnnl::memory::desc& weights) {
  if (desc.transposed) {
    return create_convolution<dnnl::deconvolution_forward>(desc, attr, weights,
                                                           dnnl::algorithm::deconvolution_direct);
  }
  return create_convolution<dnnl::convolution_forward>(
      desc, attr, weights,
      desc.winograd ? dnnl::algorithm::convolution_winograd : dnnl::algorithm::convolution_direct);
}

std::optional<dnnl::primitive_desc_base> pooling(const PoolDesc& desc, const Attr& attr) {
  const auto src = to_onednn(desc.src);
  const auto dst = to_onednn(desc.dst);
  const auto strides = to_onednn(desc.window.strides);
  const auto kernel = to_onednn(desc.kernel);
  const auto gaps = gaps_of(desc.window.dilations);
  const auto begin = to_onednn(desc.window.pads_begin);
  const auto end = to_onednn(desc.window.pads_end);
#if DNNL_VERSION_MAJOR >= 3
  return create<dnnl::pooling_forward>(attr, prop_kind::forward_inference,
                                       to_onednn(desc.operation), src, dst, strides, kernel, gaps,
                                       begin, end);
#else
  if (std::any_of(gaps.begin(), gaps.end(), [](auto gap) { return gap != 0; })) {
    return create<dnnl::pooling_v2_forward>(attr, prop_kind::forward_inference,
                                            to_onednn(desc.operation), src, dst, strides, kernel,
                                            gaps, begin, end);
  }
  return create<dnnl::pooling_forward>(attr, prop_kind::forward_inference,
                                       to_onednn(desc.operation), src, dst, strides, kernel, begin,
                                       end);
#endif
}

void set_src_zero_point(Attr& attr) {
#if DNNL_VERSION_MAJOR >= 3
  attr.set_zero_points_mask(DNNL_ARG_SRC, 0);
#else
  attr.set_zero_points(DNNL_ARG_SRC, 0, {DNNL_RUNTIME_S32_VAL});
#endif
}

#if DNNL_VERSION_MAJOR >= 3
void set_scales(Attr&, std::span<const float>) {
  fail(ErrorCode::internal, "operation: scales of results need oneDNN 2");
}
bool scales_results() { return false; }
#else
void set_scales(Attr& attr, std::span<const float> scales) {
  attr.set_output_scales(1 << 1, {scales.begin(), scales.end()});
}
bool scales_results() { return true; }
#endif

void append_eltwise(dnnl::post_ops& post_ops, const PostOp& given) {
  const PostOp step = with_parameters(given);
#if DNNL_VERSION_MAJOR >= 3
  post_ops.append_eltwise(to_onednn(step.eltwise), step.alpha, step.beta);
#else
  post_ops.append_eltwise(1.f, to_onednn(step.eltwise), step.alpha, step.beta);
#endif
}

dnnl::cpu_isa cpu_isa_of(Isa isa) {
  switch (isa) {
    case Isa::baseline:
      return dnnl::cpu_isa::sse41;
    case Isa::avx2:
      return dnnl::cpu_isa::avx2;
    case Isa::avx512:
      return dnnl::cpu_isa::avx512_core;
    case Isa::avx512_vnni:
      return dnnl::cpu_isa::avx512_core_vnni;
    case Isa::avx512_bf16:
      return dnnl::cpu_isa::avx512_core_bf16;
    case Isa::amx:
      return dnnl::cpu_isa::avx512_core_amx;
    case Isa::automatic:
      break;
  }
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::cpu_isa::isa_default;
#else
  return dnnl::cpu_isa::all;
#endif
}

namespace {

// The values of the enum are sets of features, and larger sets have their own names.
bool has(dnnl::cpu_isa wanted) {
  const auto available = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  return (available & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
}

}  // namespace

Isa effective_isa() {
  for (const Isa isa : {Isa::amx, Isa::avx512_bf16, Isa::avx512_vnni, Isa::avx512, Isa::avx2}) {
    if (has(cpu_isa_of(isa))) return isa;
  }
  return Isa::baseline;
}

bool has_vnni() { return has(dnnl::cpu_isa::avx512_core_vnni) || has(dnnl::cpu_isa::avx2_vnni); }

namespace {

/// Of a description without blocks; nothing for others.
dnnl::memory::dims steps_of(const dnnl::memory::desc& desc) {
#if DNNL_VERSION_MAJOR >= 3
  if (desc.get_format_kind() != dnnl::memory::format_kind::blocked || desc.get_inner_nblks() != 0)
    return {};
  return desc.get_strides();
#else
  if (desc.data.format_kind != dnnl_blocked || desc.data.format_desc.blocking.inner_nblks != 0)
    return {};
  return {desc.data.format_desc.blocking.strides,
          desc.data.format_desc.blocking.strides + desc.data.ndims};
#endif
}

dnnl::memory::desc part_of(const dnnl::memory::desc& whole, int axis, std::int64_t begin,
                           std::int64_t end) {
  dnnl::memory::dims dims = dims_of(whole);
  dnnl::memory::dims first(dims.size(), 0);
  dims[static_cast<std::size_t>(axis)] = end - begin;
  first[static_cast<std::size_t>(axis)] = begin;
  return whole.submemory_desc(dims, first, /*allow_empty=*/true);
}

}  // namespace

std::optional<RowCopy> row_copy(const dnnl::memory::desc& from, const dnnl::memory::desc& to) {
  const auto dims = dims_of(from);
  const auto from_steps = steps_of(from);
  const auto to_steps = steps_of(to);
  if (dims.empty() || dims != dims_of(to) || dtype_of(from) != dtype_of(to) ||
      from_steps.size() != dims.size() || to_steps.size() != dims.size())
    return std::nullopt;
  const auto size = static_cast<std::int64_t>(dnnl::memory::data_type_size(dtype_of(from)));
  RowCopy copy{1, size, 0, 0};
  std::vector<std::size_t> axes;  // innermost first
  for (std::size_t axis = 0; axis < dims.size(); ++axis) {
    if (dims[axis] > 1) axes.push_back(axis);
  }
  std::ranges::sort(axes, {}, [&](std::size_t axis) { return to_steps[axis]; });
  for (const std::size_t axis : axes) {
    const std::int64_t from_step = from_steps[axis] * size;
    const std::int64_t to_step = to_steps[axis] * size;
    if (copy.rows == 1 && from_step == copy.bytes && to_step == copy.bytes) {
      copy.bytes *= dims[axis];
    } else if (copy.rows == 1 ||
               (from_step == copy.rows * copy.from_step && to_step == copy.rows * copy.to_step)) {
      if (copy.rows == 1) copy.from_step = from_step, copy.to_step = to_step;
      copy.rows *= dims[axis];
    } else {
      return std::nullopt;
    }
  }
  return copy.bytes > size ? std::optional(copy) : std::nullopt;
}

#if DNNL_VERSION_MAJOR >= 3
const_dnnl_memory_desc_t handle_of(const dnnl::memory::desc& desc) { return desc.get(); }
dnnl::memory::dims dims_of(const dnnl::memory::desc& desc) { return desc.get_dims(); }
dnnl::memory::data_type dtype_of(const dnnl::memory::desc& desc) { return desc.get_data_type(); }
std::optional<std::int64_t> begin_of_part(const dnnl::memory::desc& whole, int axis,
                                          std::int64_t begin, std::int64_t end,
                                          const dnnl::memory::desc& wanted) {
  const dnnl::memory::desc part = part_of(whole, axis, begin, end);
  if (!part || part.get_format_kind() != dnnl::memory::format_kind::blocked ||
      wanted.get_format_kind() != dnnl::memory::format_kind::blocked ||
      part.get_dims() != wanted.get_dims() || part.get_data_type() != wanted.get_data_type() ||
      part.get_strides() != wanted.get_strides() ||
      part.get_inner_blks() != wanted.get_inner_blks() ||
      part.get_inner_idxs() != wanted.get_inner_idxs() ||
      part.get_padded_dims() != wanted.get_padded_dims())
    return std::nullopt;
  const auto size = static_cast<std::int64_t>(dnnl::memory::data_type_size(part.get_data_type()));
  return part.get_submemory_offset() * size;
}
#else
std::optional<std::int64_t> begin_of_part(const dnnl::memory::desc& whole, int axis,
                                          std::int64_t begin, std::int64_t end,
                                          const dnnl::memory::desc& wanted) {
  if (whole.data.extra.flags != 0) return std::nullopt;
  dnnl::memory::desc part = part_of(whole, axis, begin, end);
  const std::int64_t first = std::exchange(part.data.offset0, 0);
  if (!part || part != wanted) return std::nullopt;
  return first * static_cast<std::int64_t>(dnnl::memory::data_type_size(part.data_type()));
}
dnnl::memory::dims dims_of(const dnnl::memory::desc& desc) { return desc.dims(); }
dnnl::memory::data_type dtype_of(const dnnl::memory::desc& desc) { return desc.data_type(); }
const dnnl_memory_desc_t* handle_of(const dnnl::memory::desc& desc) { return &desc.data; }
#endif

}  // namespace quern::backend::version
