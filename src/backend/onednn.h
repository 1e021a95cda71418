#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <optional>

#include "backend/operation.h"
#include "quern/runtime.h"

namespace quern::backend {

/// The one engine, created on first use under the ISA cap of RuntimeOptions.
const dnnl::engine& cpu_engine();

/// The calling thread's stream.
dnnl::stream& thread_stream();

/// Keeps oneDNN's calls of this scope to the calling thread: what runs on several is ours.
class OneThread {
 public:
  OneThread() noexcept;
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// Throws: dnnl::error (unimplemented) for a dtype that oneDNN lacks.
dnnl::memory::desc to_onednn(const TensorDesc& desc);
dnnl::memory::dims to_onednn(const Shape& shape);
dnnl::algorithm to_onednn(Pooling operation);
/// The weights as described, with an axis for the groups where there are several.
dnnl::memory::desc plain_weights(const ConvDesc& desc);
/// The same in a layout that oneDNN may choose.
dnnl::memory::desc in_any_layout(const dnnl::memory::desc& desc);
/// Images in groups of 16 channels: [batch, channels / 16, height, width, 16].
dnnl::memory::desc in_blocks(const dnnl::memory::desc& desc);
dnnl::algorithm to_onednn(Eltwise function);
/// The step with the numbers that its function has in oneDNN but not in its usual definition;
/// oneDNN 2 takes no notice of those of hardswish.
PostOp with_parameters(PostOp step);
dnnl::algorithm to_onednn(Binary operation);
dnnl::algorithm to_onednn(Reduction operation);

/// What oneDNN 2 and 3 do differently; onednn_version.cpp and these declarations are the only
/// places that ask which it is.
/// Each gives nothing where oneDNN has no kernel.
namespace version {
std::optional<dnnl::primitive_desc_base> matmul(const MatMulDesc& desc,
                                                const dnnl::primitive_attr& attr,
                                                const dnnl::memory::desc& weights);
std::optional<dnnl::primitive_desc_base> convolution(const ConvDesc& desc,
                                                     const dnnl::primitive_attr& attr,
                                                     const dnnl::memory::desc& weights);
std::optional<dnnl::primitive_desc_base> pooling(const PoolDesc& desc,
                                                 const dnnl::primitive_attr& attr);
std::optional<dnnl::primitive_desc_base> softmax(const SoftmaxDesc& desc,
                                                 const dnnl::primitive_attr& attr);
std::optional<dnnl::primitive_desc_base> layer_norm(const LayerNormDesc& desc,
                                                    const dnnl::primitive_attr& attr);
std::optional<dnnl::primitive_desc_base> eltwise(const EltwiseDesc& desc,
                                                 const dnnl::primitive_attr& attr);
std::optional<dnnl::primitive_desc_base> binary(const BinaryDesc& desc,
                                                const dnnl::primitive_attr& attr);
std::optional<dnnl::primitive_desc_base> reduction(const ReductionDesc& desc,
                                                   const dnnl::primitive_attr& attr);
std::optional<dnnl::primitive_desc_base> reorder(const ReorderDesc& desc,
                                                 const dnnl::primitive_attr& attr);
/// Lets a zero point of the source be given when the operation runs.
void set_src_zero_point(dnnl::primitive_attr& attr);
/// Multiplies each channel of a convolution, bias included; where scales_results().
void set_scales(dnnl::primitive_attr& attr, std::span<const float> scales);
bool scales_results();
void append_eltwise(dnnl::post_ops& post_ops, const PostOp& step);
dnnl::cpu_isa cpu_isa_of(Isa isa);
/// What oneDNN uses here, within the ISA cap.
Isa effective_isa();
/// Whether it multiplies bytes without saturating on the way.
bool has_vnni();
/// Where elements [begin, end) of an axis of `whole` begin, in bytes, if `part` is how they lie in
/// it.
std::optional<std::int64_t> begin_of_part(const dnnl::memory::desc& whole, int axis,
                                          std::int64_t begin, std::int64_t end,
                                          const dnnl::memory::desc& part);
/// A copy of rows of bytes; steps are from row to row.
struct RowCopy {
  std::int64_t rows, bytes, from_step, to_step;
};
/// How to copy without oneDNN, which takes longer; nothing where that is no copy of rows.
std::optional<RowCopy> row_copy(const dnnl::memory::desc& from, const dnnl::memory::desc& to);
/// Sizes and dtype of a description.
dnnl::memory::dims dims_of(const dnnl::memory::desc& desc);
dnnl::memory::data_type dtype_of(const dnnl::memory::desc& desc);
#if DNNL_VERSION_MAJOR >= 3
const_dnnl_memory_desc_t handle_of(const dnnl::memory::desc& desc);
#else
const dnnl_memory_desc_t* handle_of(const dnnl::memory::desc& desc);
#endif
}  // namespace version

}  // namespace quern::backend
