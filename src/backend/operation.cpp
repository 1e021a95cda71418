#include "backend/operation.h"

#include <array>
#include <atomic>
#include <limits>

#include "backend/onednn.h"
#include "backend/operation_cache.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/parallel.h"

namespace quern::backend {
namespace {

constexpr int kMaxArguments = 12;

int argument_index(Slot slot, std::span<const int> binary_steps) {
  switch (slot) {
    case Slot::src:
      return DNNL_ARG_SRC;
    case Slot::src1:
      return DNNL_ARG_SRC_1;
    case Slot::weights:
      return DNNL_ARG_WEIGHTS;
    case Slot::bias:
      return DNNL_ARG_BIAS;
    case Slot::scale:
      return DNNL_ARG_SCALE;
    case Slot::shift:
      return DNNL_ARG_SHIFT;
    case Slot::src_zero_point:
      return DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC;
    case Slot::dst:
      return DNNL_ARG_DST;
    default:
      break;
  }
  const auto step = static_cast<std::size_t>(slot) - static_cast<std::size_t>(Slot::post_op0);
  if (step >= binary_steps.size()) fail(ErrorCode::internal, "operation: no post-op {}", step);
  return DNNL_ARG_ATTR_MULTIPLE_POST_OP(binary_steps[step]) | DNNL_ARG_SRC_1;
}

struct MemoryDeleter {
  void operator()(dnnl_memory_t memory) const { dnnl_memory_destroy(memory); }
};
using Memory = std::unique_ptr<std::remove_pointer_t<dnnl_memory_t>, MemoryDeleter>;

// Where buffers come from a source, one of them. Else that of the largest operation that this
// thread has run; operations of a thread follow one another, so they share it.
std::shared_ptr<std::byte> scratch_of(std::size_t bytes) {
  thread_local std::shared_ptr<std::byte> scratch;
  thread_local std::size_t capacity = 0;
  if (bytes == 0) return nullptr;
  if (has_buffer_source()) return allocate_buffer(bytes);
  if (bytes > capacity) {
    scratch.reset();
    capacity = 0;
    scratch = allocate_buffer(bytes);
    capacity = bytes;
  }
  return scratch;
}

void check(dnnl_status_t status, std::string_view what) {
  if (status == dnnl_success) return;
  const auto code = status == dnnl_out_of_memory ? ErrorCode::out_of_memory : ErrorCode::internal;
  fail(code, "oneDNN: {} failed with status {}", what, static_cast<int>(status));
}

}  // namespace

TensorDesc describe(const Tensor& tensor) {
  return {tensor.dtype(), tensor.shape(), tensor.strides()};
}

TensorDesc dense_desc(DType dtype, const Shape& shape) {
  return {dtype, shape, row_major_strides(shape)};
}

TensorDesc channels_last_desc(DType dtype, const Shape& shape) {
  Shape strides = shape;
  std::int64_t step = shape[1];
  for (int axis = shape.rank() - 1; axis >= 2; --axis) {
    strides[axis] = step;
    step *= shape[axis];
  }
  strides[1] = 1;
  strides[0] = step;
  return {dtype, shape, strides};
}

TensorDesc blocked_desc(DType dtype, const Shape& shape) {
  return {.dtype = dtype, .shape = shape, .strides = {}, .blocked = true};
}

namespace {

/// The memory objects of an operation's arguments. To make them takes longer than to run a small
/// operation, so each run hands them to the next.
struct Binding {
  std::array<Memory, kMaxArguments> memories;
  std::array<dnnl_exec_arg_t, kMaxArguments> arguments;
  int count = 0;

  void add(int index, const dnnl::memory::desc& desc) {
    dnnl_memory_t memory = nullptr;
    check(dnnl_memory_create(&memory, version::handle_of(desc), cpu_engine().get(), nullptr),
          "describing memory");
    memories[static_cast<std::size_t>(count)].reset(memory);
    arguments[static_cast<std::size_t>(count++)] = {index, memory};
  }
  void point(std::size_t argument, void* data) const {
    check(dnnl_memory_set_data_handle(arguments[argument].memory, data), "binding memory");
  }
};

}  // namespace

struct Operation::Impl {
  struct Bound {
    Slot slot;
    int index;
    dnnl::memory::desc desc;
  };
  dnnl::primitive primitive;
  std::vector<Bound> bound;
  dnnl::memory::desc scratch;
  std::size_t scratch_bytes = 0;
  std::string kernel;
  int threads = 0;  // 0: the team
  // Of operations that pack their weights: how those are given, and how they are packed.
  std::optional<dnnl::memory::desc> plain_weights;
  dnnl::memory::desc packed_weights;
  mutable std::atomic<Binding*> idle = nullptr;

  ~Impl() { delete idle.load(); }

  /// The binding that the last run left, or a new one where another run has it.
  std::unique_ptr<Binding> take_binding() const {
    if (Binding* left = idle.exchange(nullptr)) return std::unique_ptr<Binding>(left);
    auto made = std::make_unique<Binding>();
    for (const Bound& argument : bound) made->add(argument.index, argument.desc);
    if (scratch_bytes > 0) made->add(DNNL_ARG_SCRATCHPAD, scratch);
    return made;
  }
  void leave(std::unique_ptr<Binding> binding) const { delete idle.exchange(binding.release()); }
};

Operation::Operation(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Operation::~Operation() = default;

std::string Operation::kernel() const { return impl_->kernel; }

namespace {

void reorder_weights(const dnnl::memory::desc& from, const void* src, const dnnl::memory::desc& to,
                     void* dst) {
  const TeamScope team;
  try {
    dnnl::memory source(from, cpu_engine(), const_cast<void*>(src));
    dnnl::memory result(to, cpu_engine(), dst);
    dnnl::reorder(source, result).execute(thread_stream(), source, result);
    thread_stream().wait();
  } catch (const dnnl::error& error) {
    check(error.status, "packing weights");
    throw;
  }
}

}  // namespace

std::shared_ptr<const std::byte> Operation::pack(const void* weights) const {
  if (!impl_->plain_weights) fail(ErrorCode::internal, "operation: has no weights to pack");
  const auto packed = allocate_buffer(impl_->packed_weights.get_size());
  reorder_weights(*impl_->plain_weights, weights, impl_->packed_weights, packed.get());
  return packed;
}

bool Operation::can_unpack() const {
  if (!impl_->plain_weights) return false;
  const dnnl::reorder::primitive_desc found(cpu_engine(), impl_->packed_weights, cpu_engine(),
                                            *impl_->plain_weights, {}, /*allow_empty=*/true);
  return found.get(true) != nullptr;
}

void Operation::unpack(const std::byte* packed, void* weights) const {
  if (!impl_->plain_weights) fail(ErrorCode::internal, "operation: has no weights to unpack");
  reorder_weights(impl_->packed_weights, packed, *impl_->plain_weights, weights);
}

bool Operation::packs_as(const Operation& other) const {
  return impl_->plain_weights && other.impl_->plain_weights &&
         *impl_->plain_weights == *other.impl_->plain_weights &&
         impl_->packed_weights == other.impl_->packed_weights;
}

void Operation::run(std::span<const Argument> arguments) const {
  const TeamScope team(impl_->threads);
  const std::size_t expected = impl_->bound.size();
  std::unique_ptr<Binding> binding = impl_->take_binding();
  std::size_t given = 0;
  for (const Argument& argument : arguments) {
    for (std::size_t i = 0; i < expected; ++i) {
      if (impl_->bound[i].slot != argument.slot) continue;
      binding->point(i, const_cast<void*>(argument.data));
      ++given;
    }
  }
  if (given != expected)
    fail(ErrorCode::internal, "operation: {} arguments given, {} expected", given, expected);
  const std::shared_ptr<std::byte> scratch = scratch_of(impl_->scratch_bytes);
  if (scratch) binding->point(expected, scratch.get());
  check(dnnl_primitive_execute(impl_->primitive.get(), thread_stream().get(), binding->count,
                               binding->arguments.data()),
        "execution");
  check(dnnl_stream_wait(thread_stream().get()), "execution");
  impl_->leave(std::move(binding));
}

namespace {

using Descriptions = std::vector<std::pair<Slot, TensorDesc>>;

// The weights that an operation of this description packs; none for most.
template <class Desc>
std::optional<dnnl::memory::desc> weights_to_pack(const Desc&) {
  return std::nullopt;
}
std::optional<dnnl::memory::desc> weights_to_pack(const ConvDesc& desc) {
  return plain_weights(desc);
}
std::optional<dnnl::memory::desc> weights_to_pack(const MatMulDesc& desc) {
  return desc.packed_weights ? std::optional(to_onednn(desc.weights)) : std::nullopt;
}

double microseconds(double products, DType dtype, std::initializer_list<const TensorDesc*> moved) {
  constexpr double kProducts = 200e3;  // of bytes, in a microsecond
  constexpr double kBytes = 40e3;
  double bytes = 0;
  for (const TensorDesc* tensor : moved)
    bytes +=
        static_cast<double>(tensor->shape.numel()) * static_cast<double>(size_of(tensor->dtype));
  return products * static_cast<double>(size_of(dtype)) / kProducts + bytes / kBytes;
}

/// About what one thread takes for the products of an operation; endless where that is not asked.
template <class Desc>
double microseconds_alone(const Desc&) {
  return std::numeric_limits<double>::infinity();
}
double microseconds_alone(const ConvDesc& desc) {
  const Shape& weights = desc.weights.shape;
  const TensorDesc& places = desc.transposed ? desc.src : desc.dst;
  const double products = static_cast<double>(places.shape.numel()) *
                          static_cast<double>(weights.numel()) / static_cast<double>(weights[0]);
  return microseconds(products, desc.src.dtype, {&desc.src, &desc.weights, &desc.dst});
}
double microseconds_alone(const MatMulDesc& desc) {
  const double products =
      static_cast<double>(desc.dst.shape.numel()) * static_cast<double>(desc.src.shape.dim(-1));
  return microseconds(products, desc.src.dtype, {&desc.src, &desc.weights, &desc.dst});
}

/// To share a small operation with other threads, and to read there what this one wrote and here
/// what they write, takes longer than to do it alone.
template <class Desc>
int threads_for(const Desc& desc) {
  constexpr double kWorthATeam = 8;
  return microseconds_alone(desc) < kWorthATeam ? 1 : 0;
}

template <class Desc>
bool takes_src_zero_point(const Desc&) {
  return false;
}
bool takes_src_zero_point(const ConvDesc& desc) { return desc.src_zero_point; }

template <class Desc>
std::span<const float> scales_of(const Desc&) {
  return {};
}
std::span<const float> scales_of(const ConvDesc& desc) { return desc.scales; }

dnnl::primitive_attr make_attr(const std::vector<PostOp>& steps) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops post_ops;
  for (const PostOp& step : steps) {
    switch (step.kind) {
      case PostOp::Kind::eltwise:
        version::append_eltwise(post_ops, step);
        break;
      case PostOp::Kind::binary:
        post_ops.append_binary(to_onednn(step.binary), to_onednn(step.operand));
        break;
      case PostOp::Kind::sum:
        post_ops.append_sum();
        break;
    }
  }
  attr.set_post_ops(post_ops);
  return attr;
}

OperationPtr make_operation(const dnnl::primitive_desc_base& created,
                            const Descriptions& descriptions, const std::vector<PostOp>& steps,
                            const std::optional<dnnl::memory::desc>& plain_weights, int threads) {
  auto impl = std::make_unique<Operation::Impl>();
  std::vector<int> binary_steps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].kind == PostOp::Kind::binary) binary_steps.push_back(static_cast<int>(i));
  }
  const auto add = [&](Slot slot, const TensorDesc& desc) {
    impl->bound.push_back({slot, argument_index(slot, binary_steps), to_onednn(desc)});
  };
  for (const auto& [slot, desc] : descriptions) add(slot, desc);
  for (std::size_t i = 0; i < binary_steps.size(); ++i) {
    const auto slot = static_cast<Slot>(static_cast<std::size_t>(Slot::post_op0) + i);
    add(slot, steps[static_cast<std::size_t>(binary_steps[i])].operand);
  }
  if (plain_weights) {
    impl->plain_weights = plain_weights;
    impl->packed_weights = created.query_md(dnnl::query::weights_md);
    impl->bound.push_back({Slot::weights, DNNL_ARG_WEIGHTS, impl->packed_weights});
  }
  require(impl->bound.size() < kMaxArguments, "operation: too many post-ops");
  impl->primitive = dnnl::primitive(created.get());
  impl->scratch = created.scratchpad_desc();
  impl->scratch_bytes = impl->scratch.get_size();
  impl->kernel = created.impl_info_str();
  impl->threads = threads;
  return std::make_shared<const Operation>(std::move(impl));
}

/// `describe_arguments` gives the descriptions; asked only where the operation is not cached.
template <class Desc, class Describe>
OperationPtr prepare(
    const Desc& desc, const OperationKey& key, const Describe& describe_arguments,
    const std::vector<PostOp>& steps,
    std::optional<dnnl::primitive_desc_base> (*create)(const Desc&, const dnnl::primitive_attr&)) {
  const auto make = [&]() -> OperationPtr {
    const int threads = threads_for(desc);
    const TeamScope team(threads);
    try {
      dnnl::primitive_attr attr = make_attr(steps);
      if (takes_src_zero_point(desc)) version::set_src_zero_point(attr);
      if (!scales_of(desc).empty()) version::set_scales(attr, scales_of(desc));
      const auto created = create(desc, attr);
      if (!created) return nullptr;
      return make_operation(*created, describe_arguments(), steps, weights_to_pack(desc), threads);
    } catch (const dnnl::error& error) {
      if (error.status == dnnl_unimplemented || error.status == dnnl_invalid_arguments)
        return nullptr;
      check(error.status, "preparation");
      throw;
    }
  };
  return scales_of(desc).empty() ? operation_cache().find_or_add(key, make) : make();
}

template <class Desc>
auto source_and_result(const Desc& desc) {
  return [&desc] { return Descriptions{{Slot::src, desc.src}, {Slot::dst, desc.dst}}; };
}

void add_window(OperationKey& key, const Window& window) {
  for (const Shape& values :
       {window.strides, window.dilations, window.pads_begin, window.pads_end}) {
    for (const std::int64_t value : values) key.add(value);
  }
}

}  // namespace

OperationPtr try_prepare(const MatMulDesc& desc) {
  OperationKey key("matmul", {desc.src, desc.weights, desc.dst}, desc.post_ops);
  key.add(desc.packed_weights);
  for (const TensorDesc& bias : desc.bias) key.add(bias);
  const auto arguments = [&] {
    Descriptions all{{Slot::src, desc.src}, {Slot::dst, desc.dst}};
    if (!desc.packed_weights) all.emplace_back(Slot::weights, desc.weights);
    for (const TensorDesc& bias : desc.bias) all.emplace_back(Slot::bias, bias);
    return all;
  };
  return prepare(desc, key, arguments, desc.post_ops, version::matmul);
}

OperationPtr try_prepare(const ConvDesc& desc) {
  OperationKey key("conv", {desc.src, desc.weights, desc.dst}, desc.post_ops);
  key.add(desc.groups).add(desc.transposed).add(desc.winograd).add(desc.src_zero_point);
  add_window(key, desc.window);
  for (const TensorDesc& bias : desc.bias) key.add(bias);
  const auto arguments = [&] {
    Descriptions all{{Slot::src, desc.src}, {Slot::dst, desc.dst}};
    for (const TensorDesc& bias : desc.bias) all.emplace_back(Slot::bias, bias);
    if (desc.src_zero_point) all.emplace_back(Slot::src_zero_point, dense_desc(DType::i32, {1}));
    return all;
  };
  return prepare(desc, key, arguments, desc.post_ops, version::convolution);
}

OperationPtr try_prepare(const PoolDesc& desc) {
  OperationKey key("pool", {desc.src, desc.dst}, {});
  key.add(desc.operation);
  for (const std::int64_t size : desc.kernel) key.add(size);
  add_window(key, desc.window);
  return prepare(desc, key, source_and_result(desc), {}, version::pooling);
}

OperationPtr try_prepare(const SoftmaxDesc& desc) {
  OperationKey key("softmax", {desc.src, desc.dst}, {});
  key.add(desc.axis).add(desc.logarithm);
  return prepare(desc, key, source_and_result(desc), {}, version::softmax);
}

OperationPtr try_prepare(const LayerNormDesc& desc) {
  OperationKey key("layer_norm", {desc.src, desc.dst}, {});
  key.add(desc.epsilon).add(desc.has_scale).add(desc.has_shift);
  const auto arguments = [&] {
    Descriptions all{{Slot::src, desc.src}, {Slot::dst, desc.dst}};
    const TensorDesc channels = dense_desc(DType::f32, {desc.src.shape.dim(-1)});
    if (desc.has_scale) all.emplace_back(Slot::scale, channels);
    if (desc.has_shift) all.emplace_back(Slot::shift, channels);
    return all;
  };
  return prepare(desc, key, arguments, {}, version::layer_norm);
}

OperationPtr try_prepare(const EltwiseDesc& desc) {
  OperationKey key("eltwise", {desc.src, desc.dst}, {});
  key.add(desc.function).add(desc.alpha).add(desc.beta);
  return prepare(desc, key, source_and_result(desc), {}, version::eltwise);
}

OperationPtr try_prepare(const BinaryDesc& desc) {
  OperationKey key("binary", {desc.src, desc.src1, desc.dst}, desc.post_ops);
  key.add(desc.operation);
  const auto arguments = [&] {
    return Descriptions{{Slot::src, desc.src}, {Slot::src1, desc.src1}, {Slot::dst, desc.dst}};
  };
  return prepare(desc, key, arguments, desc.post_ops, version::binary);
}

OperationPtr try_prepare(const ReductionDesc& desc) {
  OperationKey key("reduction", {desc.src, desc.dst}, {});
  key.add(desc.operation);
  return prepare(desc, key, source_and_result(desc), {}, version::reduction);
}

OperationPtr try_prepare(const ReorderDesc& desc) {
  const OperationKey key("reorder", {desc.src, desc.dst}, {});
  return prepare(desc, key, source_and_result(desc), {}, version::reorder);
}

bool has_fast_bf16() {
  cpu_engine();
  static const bool fast = version::effective_isa() >= Isa::avx512_bf16;
  return fast;
}

bool has_matrix_units() {
  cpu_engine();
  static const bool units = version::effective_isa() >= Isa::amx;
  return units;
}

bool has_exact_bytes() {
  cpu_engine();
  static const bool exact = version::has_vnni();
  return exact;
}

bool scales_results() { return version::scales_results(); }

}  // namespace quern::backend
