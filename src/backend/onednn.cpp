#include "backend/onednn.h"

#include "core/runtime.h"

// oneDNN's threads are those of the OpenMP runtime, whose header is not everywhere.
extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int threads);
}

namespace quern::backend {
namespace {

dnnl::engine create_engine() {
  const Isa cap = settle_max_isa();
  // A host that has used oneDNN before us has fixed its ISA; its choice stands then.
  if (cap != Isa::automatic) dnnl::set_max_cpu_isa(version::cpu_isa_of(cap));
  return {dnnl::engine::kind::cpu, 0};
}

dnnl::memory::data_type to_onednn(DType dtype) {
  using Type = dnnl::memory::data_type;
  switch (dtype) {
    case DType::f32:
      return Type::f32;
    case DType::f16:
      return Type::f16;
    case DType::bf16:
      return Type::bf16;
    case DType::i32:
      return Type::s32;
    case DType::i8:
      return Type::s8;
    case DType::u8:
      return Type::u8;
    default:
      throw dnnl::error(dnnl_unimplemented, "oneDNN lacks the dtype");
  }
}

}  // namespace

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine = create_engine();
  return engine;
}

dnnl::stream& thread_stream() {
  thread_local dnnl::stream stream(cpu_engine());
  return stream;
}

OneThread::OneThread() noexcept : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneThread::~OneThread() { omp_set_num_threads(before_); }

dnnl::memory::desc to_onednn(const TensorDesc& desc) {
  if (desc.shape.rank() == 0) return {{1}, to_onednn(desc.dtype), dnnl::memory::dims{1}};
  return {to_onednn(desc.shape), to_onednn(desc.dtype), to_onednn(desc.strides)};
}

dnnl::memory::dims to_onednn(const Shape& shape) { return {shape.begin(), shape.end()}; }

dnnl::memory::desc plain_weights(const ConvDesc& desc) {
  Shape shape{desc.groups, desc.weights.shape[0] / desc.groups, desc.weights.shape[1]};
  Shape strides{desc.weights.strides[0] * shape[1], desc.weights.strides[0],
                desc.weights.strides[1]};
  if (desc.transposed) {
    std::swap(shape[1], shape[2]);
    std::swap(strides[1], strides[2]);
  }
  for (int axis = 2; axis < desc.weights.shape.rank(); ++axis) {
    shape.push_back(desc.weights.shape[axis]);
    strides.push_back(desc.weights.strides[axis]);
  }
  const int first = desc.groups == 1 ? 1 : 0;
  return to_onednn(TensorDesc{desc.weights.dtype,
                              Shape(std::span(shape.begin() + first, shape.end())),
                              Shape(std::span(strides.begin() + first, strides.end()))});
}

dnnl::memory::desc in_any_layout(const dnnl::memory::desc& desc) {
  return {version::dims_of(desc), version::dtype_of(desc), dnnl::memory::format_tag::any};
}

dnnl::memory::desc in_blocks(const dnnl::memory::desc& desc) {
  return {version::dims_of(desc), version::dtype_of(desc), dnnl::memory::format_tag::nChw16c};
}

dnnl::algorithm to_onednn(Pooling operation) {
  using Algorithm = dnnl::algorithm;
  switch (operation) {
    case Pooling::max:
      return Algorithm::pooling_max;
    case Pooling::average_of_elements:
      return Algorithm::pooling_avg_exclude_padding;
    case Pooling::average_with_pads:
      return Algorithm::pooling_avg_include_padding;
  }
  return Algorithm::undef;
}

dnnl::algorithm to_onednn(Eltwise function) {
  using Algorithm = dnnl::algorithm;
  switch (function) {
    case Eltwise::relu:
      return Algorithm::eltwise_relu;
    case Eltwise::elu:
      return Algorithm::eltwise_elu;
    case Eltwise::gelu_erf:
      return Algorithm::eltwise_gelu_erf;
    case Eltwise::gelu_tanh:
      return Algorithm::eltwise_gelu_tanh;
    case Eltwise::silu:
      return Algorithm::eltwise_swish;
    case Eltwise::sigmoid:
      return Algorithm::eltwise_logistic;
    case Eltwise::tanh:
      return Algorithm::eltwise_tanh;
    case Eltwise::exp:
      return Algorithm::eltwise_exp;
    case Eltwise::log:
      return Algorithm::eltwise_log;
    case Eltwise::sqrt:
      return Algorithm::eltwise_sqrt;
    case Eltwise::abs:
      return Algorithm::eltwise_abs;
    case Eltwise::square:
      return Algorithm::eltwise_square;
    case Eltwise::softplus:
      return Algorithm::eltwise_soft_relu;
    case Eltwise::mish:
      return Algorithm::eltwise_mish;
    case Eltwise::hardswish:
      return Algorithm::eltwise_hardswish;
    case Eltwise::linear:
      return Algorithm::eltwise_linear;
    case Eltwise::clip:
      return Algorithm::eltwise_clip;
    case Eltwise::pow:
      return Algorithm::eltwise_pow;
    case Eltwise::round:
      return Algorithm::eltwise_round;
  }
  return Algorithm::undef;
}

PostOp with_parameters(PostOp step) {
  if (step.eltwise == Eltwise::silu || step.eltwise == Eltwise::softplus) step.alpha = 1.f;
  if (step.eltwise == Eltwise::hardswish) {
    step.alpha = 1.f / 6.f;
    step.beta = 0.5f;
  }
  return step;
}

dnnl::algorithm to_onednn(Binary operation) {
  using Algorithm = dnnl::algorithm;
  switch (operation) {
    case Binary::add:
      return Algorithm::binary_add;
    case Binary::sub:
      return Algorithm::binary_sub;
    case Binary::mul:
      return Algorithm::binary_mul;
    case Binary::div:
      return Algorithm::binary_div;
    case Binary::minimum:
      return Algorithm::binary_min;
    case Binary::maximum:
      return Algorithm::binary_max;
  }
  return Algorithm::undef;
}

dnnl::algorithm to_onednn(Reduction operation) {
  using Algorithm = dnnl::algorithm;
  switch (operation) {
    case Reduction::sum:
      return Algorithm::reduction_sum;
    case Reduction::mean:
      return Algorithm::reduction_mean;
    case Reduction::max:
      return Algorithm::reduction_max;
    case Reduction::min:
      return Algorithm::reduction_min;
    case Reduction::mul:
      return Algorithm::reduction_mul;
  }
  return Algorithm::undef;
}

}  // namespace quern::backend
