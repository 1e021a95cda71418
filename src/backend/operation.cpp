#include "backend/operation.h"

#include <array>

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

// The scratch of the largest operation that this thread has run; operations of a thread follow
// one another, so they share it.
void* thread_scratch(std::size_t bytes) {
  thread_local std::shared_ptr<std::byte> scratch;
  thread_local std::size_t capacity = 0;
  if (bytes > capacity) {
    const BufferScope heap(nullptr);
    scratch.reset();
    capacity = 0;
    scratch = allocate_buffer(bytes);
    capacity = bytes;
  }
  return scratch.get();
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

struct Operation::Impl {
  struct Bound {
    Slot slot;
    int index;
    dnnl::memory::desc desc;
  };
  dnnl::primitive primitive;
  std::vector<Bound> bound;
  dnnl::memory::desc scratch;
  std::string kernel;
};

Operation::Operation(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Operation::~Operation() = default;

std::string Operation::kernel() const { return impl_->kernel; }

void Operation::run(std::span<const Argument> arguments) const {
  std::array<dnnl_exec_arg_t, kMaxArguments> given;
  std::array<Memory, kMaxArguments> memories;
  int count = 0;
  const auto bind = [&](int index, const dnnl::memory::desc& desc, void* data) {
    dnnl_memory_t memory = nullptr;
    check(dnnl_memory_create(&memory, version::handle_of(desc), cpu_engine().get(), data),
          "binding memory");
    memories[static_cast<std::size_t>(count)].reset(memory);
    given[static_cast<std::size_t>(count++)] = {index, memory};
  };
  for (const Argument& argument : arguments) {
    for (const Impl::Bound& bound : impl_->bound) {
      if (bound.slot == argument.slot)
        bind(bound.index, bound.desc, const_cast<void*>(argument.data));
    }
  }
  if (count != static_cast<int>(impl_->bound.size())) {
    fail(ErrorCode::internal, "operation: {} arguments given, {} expected", count,
         impl_->bound.size());
  }
  const TeamScope team;
  const std::size_t scratch_bytes = impl_->scratch.get_size();
  if (scratch_bytes > 0) bind(DNNL_ARG_SCRATCHPAD, impl_->scratch, thread_scratch(scratch_bytes));
  check(dnnl_primitive_execute(impl_->primitive.get(), thread_stream().get(), count, given.data()),
        "execution");
  check(dnnl_stream_wait(thread_stream().get()), "execution");
}

namespace {

using Descriptions = std::vector<std::pair<Slot, TensorDesc>>;

dnnl::primitive_attr make_attr(const std::vector<PostOp>& steps) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops post_ops;
  for (const PostOp& step : steps) {
    if (step.kind == PostOp::Kind::eltwise) {
      version::append_eltwise(post_ops, step);
    } else {
      post_ops.append_binary(to_onednn(step.binary), to_onednn(step.operand));
    }
  }
  attr.set_post_ops(post_ops);
  return attr;
}

OperationPtr make_operation(const dnnl::primitive_desc_base& created,
                            const Descriptions& descriptions, const std::vector<PostOp>& steps) {
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
  require(impl->bound.size() < kMaxArguments, "operation: too many post-ops");
  impl->primitive = dnnl::primitive(created.get());
  impl->scratch = created.scratchpad_desc();
  impl->kernel = created.impl_info_str();
  return std::make_shared<const Operation>(std::move(impl));
}

template <class Desc>
OperationPtr prepare(
    const Desc& desc, const OperationKey& key, const Descriptions& descriptions,
    const std::vector<PostOp>& steps,
    std::optional<dnnl::primitive_desc_base> (*create)(const Desc&, const dnnl::primitive_attr&)) {
  return operation_cache().find_or_add(key, [&]() -> OperationPtr {
    const TeamScope team;
    try {
      const auto created = create(desc, make_attr(steps));
      return created ? make_operation(*created, descriptions, steps) : nullptr;
    } catch (const dnnl::error& error) {
      if (error.status == dnnl_unimplemented || error.status == dnnl_invalid_arguments)
        return nullptr;
      check(error.status, "preparation");
      throw;
    }
  });
}

}  // namespace

OperationPtr try_prepare(const MatMulDesc& desc) {
  OperationKey key("matmul", {desc.src, desc.weights, desc.dst}, desc.post_ops);
  Descriptions descriptions{
      {Slot::src, desc.src}, {Slot::weights, desc.weights}, {Slot::dst, desc.dst}};
  if (!desc.bias.empty()) {
    key.add(desc.bias.front());
    descriptions.emplace_back(Slot::bias, desc.bias.front());
  }
  return prepare(desc, key, descriptions, desc.post_ops, version::matmul);
}

OperationPtr try_prepare(const SoftmaxDesc& desc) {
  OperationKey key("softmax", {desc.src, desc.dst}, {});
  key.add(desc.axis).add(desc.logarithm);
  return prepare(desc, key, {{Slot::src, desc.src}, {Slot::dst, desc.dst}}, {}, version::softmax);
}

OperationPtr try_prepare(const LayerNormDesc& desc) {
  OperationKey key("layer_norm", {desc.src, desc.dst}, {});
  key.add(desc.epsilon).add(desc.has_scale).add(desc.has_shift);
  Descriptions descriptions{{Slot::src, desc.src}, {Slot::dst, desc.dst}};
  const TensorDesc channels = dense_desc(DType::f32, {desc.src.shape.dim(-1)});
  if (desc.has_scale) descriptions.emplace_back(Slot::scale, channels);
  if (desc.has_shift) descriptions.emplace_back(Slot::shift, channels);
  return prepare(desc, key, descriptions, {}, version::layer_norm);
}

OperationPtr try_prepare(const EltwiseDesc& desc) {
  OperationKey key("eltwise", {desc.src, desc.dst},
                   {PostOp::apply(desc.function, desc.alpha, desc.beta)});
  return prepare(desc, key, {{Slot::src, desc.src}, {Slot::dst, desc.dst}}, {}, version::eltwise);
}

OperationPtr try_prepare(const BinaryDesc& desc) {
  OperationKey key("binary", {desc.src, desc.src1, desc.dst}, desc.post_ops);
  key.add(desc.operation);
  return prepare(desc, key, {{Slot::src, desc.src}, {Slot::src1, desc.src1}, {Slot::dst, desc.dst}},
                 desc.post_ops, version::binary);
}

OperationPtr try_prepare(const ReductionDesc& desc) {
  OperationKey key("reduction", {desc.src, desc.dst}, {});
  key.add(desc.operation);
  return prepare(desc, key, {{Slot::src, desc.src}, {Slot::dst, desc.dst}}, {}, version::reduction);
}

OperationPtr try_prepare(const ReorderDesc& desc) {
  const OperationKey key("reorder", {desc.src, desc.dst}, {});
  return prepare(desc, key, {{Slot::src, desc.src}, {Slot::dst, desc.dst}}, {}, version::reorder);
}

bool has_fast_bf16() {
  cpu_engine();
  static const bool fast = version::effective_isa() >= Isa::avx512_bf16;
  return fast;
}

bool has_exact_bytes() {
  cpu_engine();
  static const bool exact = version::has_vnni();
  return exact;
}

}  // namespace quern::backend
