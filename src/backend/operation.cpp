#include "backend/operation.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <deque>

#include "backend/divide.h"
#include "backend/onednn.h"
#include "backend/operation_cache.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/parallel.h"

namespace quern::backend {
namespace {

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

namespace {

/// An argument of oneDNN: one of the operation's, or memory that a thread has while it runs it.
struct Bound {
  int index;
  dnnl::memory::desc desc;
  std::optional<Slot> slot{};
  std::size_t scratch = 0;  ///< where it begins there, without a slot
};

struct Stage {
  dnnl::primitive primitive;
  std::vector<Bound> bound;
  std::optional<version::RowCopy> copy{};  ///< from the first to the second, with no primitive
};

/// An operation on one thread: what oneDNN does, one after another.
struct Part {
  std::vector<Stage> stages;
  std::size_t scratch_bytes = 0;
  dnnl::memory::desc weights;  ///< of those that pack them

  /// Room for `desc` in the scratch memory.
  std::size_t reserve(const dnnl::memory::desc& desc) {
    constexpr std::size_t kPage = 4096;
    const std::size_t pages = (desc.get_size() + kPage - 1) / kPage;
    return std::exchange(scratch_bytes, scratch_bytes + pages * kPage);
  }
};
using PartPtr = std::shared_ptr<const Part>;

void copy_rows(const std::byte* from, std::byte* to, const version::RowCopy& copy) {
  for (std::int64_t row = 0; row < copy.rows; ++row) {
    std::memcpy(to + row * copy.to_step, from + row * copy.from_step,
                static_cast<std::size_t>(copy.bytes));
  }
}

/// The memory objects of a stage's arguments. To make them takes longer than to run a small
/// operation, so each run hands them to the next.
class StageBinding {
 public:
  explicit StageBinding(const Stage& stage) : stage_(stage) {
    if (stage.copy) return;
    for (const Bound& argument : stage.bound) {
      dnnl_memory_t memory = nullptr;
      check(dnnl_memory_create(&memory, version::handle_of(argument.desc), cpu_engine().get(),
                               nullptr),
            "describing memory");
      memories_.emplace_back(memory);
      arguments_.push_back({argument.index, memory});
    }
  }

  void run(const std::array<std::byte*, kSlots>& arguments, const Offsets& offsets,
           std::byte* scratch) const {
    const auto find = [&](const Bound& argument) {
      if (!argument.slot) return scratch + argument.scratch;
      const auto slot = static_cast<std::size_t>(*argument.slot);
      return arguments[slot] + offsets[slot];
    };
    if (stage_.copy) return copy_rows(find(stage_.bound[0]), find(stage_.bound[1]), *stage_.copy);
    for (std::size_t i = 0; i < arguments_.size(); ++i) {
      check(dnnl_memory_set_data_handle(arguments_[i].memory, find(stage_.bound[i])),
            "binding memory");
    }
    const auto count = static_cast<int>(arguments_.size());
    check(dnnl_primitive_execute(stage_.primitive.get(), thread_stream().get(), count,
                                 arguments_.data()),
          "execution");
    check(dnnl_stream_wait(thread_stream().get()), "execution");
  }

 private:
  const Stage& stage_;
  std::vector<Memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
};
using Binding = std::vector<StageBinding>;

/// A part that runs, and where its arguments begin in those of the whole.
class Piece {
 public:
  Piece(PartPtr part, const Offsets& offsets) : part_(std::move(part)), offsets_(offsets) {}
  ~Piece() { delete idle_.load(); }

  /// `arguments` by slot.
  void run(const std::array<std::byte*, kSlots>& arguments, std::byte* scratch) const {
    // The binding that the last run left, or a new one where another run has it.
    std::unique_ptr<Binding> binding(idle_.exchange(nullptr));
    if (!binding) binding = std::make_unique<Binding>(part_->stages.begin(), part_->stages.end());
    const OneThread alone;
    for (const StageBinding& stage : *binding) stage.run(arguments, offsets_, scratch);
    delete idle_.exchange(binding.release());
  }
  const Part& part() const noexcept { return *part_; }

 private:
  PartPtr part_;
  Offsets offsets_;
  mutable std::atomic<Binding*> idle_ = nullptr;
};

/// Channels of the weights as they are given and as they are packed, and where both begin, in
/// bytes.
struct PackedChannels {
  dnnl::memory::desc plain;
  std::int64_t plain_begin;
  dnnl::memory::desc packed;
  std::int64_t packed_begin;
  bool operator==(const PackedChannels&) const = default;
};

}  // namespace

struct Operation::Impl {
  std::deque<Piece> pieces;
  std::vector<Slot> slots;        // of the arguments
  std::size_t scratch_bytes = 0;  // of one lane
  std::string kernel;
  std::vector<PackedChannels> packed;  // of operations that pack their weights: all of them
};

Operation::Operation(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Operation::~Operation() = default;

std::string Operation::kernel() const { return impl_->kernel; }

namespace {

void reorder_weights(const dnnl::memory::desc& from, const void* src, const dnnl::memory::desc& to,
                     void* dst) {
  const OneThread alone;
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
  if (impl_->packed.empty()) fail(ErrorCode::internal, "operation: has no weights to pack");
  const PackedChannels& last = impl_->packed.back();
  const auto packed =
      allocate_buffer(static_cast<std::size_t>(last.packed_begin) + last.packed.get_size());
  for (const PackedChannels& part : impl_->packed) {
    reorder_weights(part.plain, static_cast<const std::byte*>(weights) + part.plain_begin,
                    part.packed, packed.get() + part.packed_begin);
  }
  return packed;
}

bool Operation::can_unpack() const {
  return !impl_->packed.empty() && std::ranges::all_of(impl_->packed, [](const auto& part) {
    const dnnl::reorder::primitive_desc found(cpu_engine(), part.packed, cpu_engine(), part.plain,
                                              {}, /*allow_empty=*/true);
    return found.get(true) != nullptr;
  });
}

void Operation::unpack(const std::byte* packed, void* weights) const {
  if (impl_->packed.empty()) fail(ErrorCode::internal, "operation: has no weights to unpack");
  for (const PackedChannels& part : impl_->packed) {
    reorder_weights(part.packed, packed + part.packed_begin, part.plain,
                    static_cast<std::byte*>(weights) + part.plain_begin);
  }
}

bool Operation::packs_as(const Operation& other) const {
  return !impl_->packed.empty() && impl_->packed == other.impl_->packed;
}

void Operation::run(std::span<const Argument> arguments) const {
  std::array<std::byte*, kSlots> given{};
  for (const Argument& argument : arguments) {
    given[static_cast<std::size_t>(argument.slot)] =
        static_cast<std::byte*>(const_cast<void*>(argument.data));
  }
  for (const Slot slot : impl_->slots) {
    if (given[static_cast<std::size_t>(slot)] == nullptr)
      fail(ErrorCode::internal, "operation: argument {} is missing", static_cast<int>(slot));
  }
  const auto pieces = static_cast<int>(impl_->pieces.size());
  const auto lanes = static_cast<std::size_t>(lanes_of(pieces));
  const std::shared_ptr<std::byte> scratch = scratch_of(impl_->scratch_bytes * lanes);
  parallel_slices(pieces, [&](int slice, int lane) {
    impl_->pieces[static_cast<std::size_t>(slice)].run(
        given, scratch.get() + impl_->scratch_bytes * static_cast<std::size_t>(lane));
  });
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

/// About what one thread takes.
template <class Desc>
double microseconds_alone(const Desc& desc) {
  constexpr double kElements = 1000;  // in a microsecond
  return static_cast<double>(std::max(desc.src.shape.numel(), desc.dst.shape.numel())) / kElements;
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
int slices_for(const Desc& desc) {
  constexpr double kWorthAThread = 4;
  return static_cast<int>(std::clamp(microseconds_alone(desc) / kWorthAThread, 1.0,
                                     static_cast<double>(thread_count())));
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

dnnl::primitive_attr make_attr(std::span<const PostOp> steps) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops post_ops;
  for (const PostOp& step : steps) {
    switch (step.kind) {
      case PostOp::Kind::eltwise:
        version::append_eltwise(post_ops, step);
        break;
      case PostOp::Kind::binary:
        post_ops.append_binary(backend::to_onednn(step.binary), to_onednn(step.operand));
        break;
      case PostOp::Kind::sum:
        post_ops.append_sum();
        break;
    }
  }
  attr.set_post_ops(post_ops);
  return attr;
}

/// The arguments of an operation but for weights that it packs.
template <class Desc>
Descriptions arguments_of(const Desc& desc) {
  return {{Slot::src, desc.src}, {Slot::dst, desc.dst}};
}
Descriptions arguments_of(const MatMulDesc& desc) {
  Descriptions all{{Slot::src, desc.src}, {Slot::dst, desc.dst}};
  if (!desc.packed_weights) all.emplace_back(Slot::weights, desc.weights);
  for (const TensorDesc& bias : desc.bias) all.emplace_back(Slot::bias, bias);
  return all;
}
Descriptions arguments_of(const ConvDesc& desc) {
  Descriptions all{{Slot::src, desc.src}, {Slot::dst, desc.dst}};
  for (const TensorDesc& bias : desc.bias) all.emplace_back(Slot::bias, bias);
  if (desc.src_zero_point) all.emplace_back(Slot::src_zero_point, dense_desc(DType::i32, {1}));
  return all;
}
Descriptions arguments_of(const LayerNormDesc& desc) {
  Descriptions all{{Slot::src, desc.src}, {Slot::dst, desc.dst}};
  const TensorDesc channels = dense_desc(DType::f32, {desc.src.shape.dim(-1)});
  if (desc.has_scale) all.emplace_back(Slot::scale, channels);
  if (desc.has_shift) all.emplace_back(Slot::shift, channels);
  return all;
}
Descriptions arguments_of(const BinaryDesc& desc) {
  return {{Slot::src, desc.src}, {Slot::src1, desc.src1}, {Slot::dst, desc.dst}};
}

template <class Desc>
std::span<const PostOp> steps_of(const Desc&) {
  return {};
}
std::span<const PostOp> steps_of(const MatMulDesc& desc) { return desc.post_ops; }
std::span<const PostOp> steps_of(const ConvDesc& desc) { return desc.post_ops; }
std::span<const PostOp> steps_of(const BinaryDesc& desc) { return desc.post_ops; }

using Created = std::optional<dnnl::primitive_desc_base>;
using Weights = std::optional<dnnl::memory::desc>;

Created create(const MatMulDesc& desc, const dnnl::primitive_attr& attr, const Weights& weights) {
  return version::matmul(desc, attr, weights ? *weights : to_onednn(desc.weights));
}
Created create(const ConvDesc& desc, const dnnl::primitive_attr& attr, const Weights& weights) {
  return version::convolution(desc, attr, *weights);
}
Created create(const PoolDesc& desc, const dnnl::primitive_attr& attr, const Weights&) {
  return version::pooling(desc, attr);
}
Created create(const SoftmaxDesc& desc, const dnnl::primitive_attr& attr, const Weights&) {
  return version::softmax(desc, attr);
}
Created create(const LayerNormDesc& desc, const dnnl::primitive_attr& attr, const Weights&) {
  return version::layer_norm(desc, attr);
}
Created create(const EltwiseDesc& desc, const dnnl::primitive_attr& attr, const Weights&) {
  return version::eltwise(desc, attr);
}
Created create(const BinaryDesc& desc, const dnnl::primitive_attr& attr, const Weights&) {
  return version::binary(desc, attr);
}
Created create(const ReductionDesc& desc, const dnnl::primitive_attr& attr, const Weights&) {
  return version::reduction(desc, attr);
}
Created create(const ReorderDesc& desc, const dnnl::primitive_attr& attr, const Weights&) {
  return version::reorder(desc, attr);
}

template <class Desc>
bool needs_blocks(const Desc&) {
  return false;
}
bool needs_blocks(const ConvDesc& desc) { return desc.winograd; }

/// Where the channels of a slice begin in the weights as they are given, in bytes.
template <class Desc>
std::int64_t begin_of_channels(const Slice<Desc>&) {
  return 0;
}
std::int64_t begin_of_channels(const Slice<ConvDesc>& slice) {
  const TensorDesc& weights = slice.desc.weights;
  return slice.channels.begin * weights.strides[slice.channels.axis] *
         static_cast<std::int64_t>(size_of(weights.dtype));
}

template <class Desc>
std::vector<Slice<Desc>> divide_otherwise(const Desc&, int) {
  return {};
}
std::vector<Slice<MatMulDesc>> divide_otherwise(const MatMulDesc& desc, int slices) {
  return divide(desc, slices, Way::other);
}
std::vector<Slice<ConvDesc>> divide_otherwise(const ConvDesc& desc, int slices) {
  return divide(desc, slices, Way::other);
}

template <class Desc>
std::optional<Desc> gapless(const Desc&) {
  return std::nullopt;
}
std::optional<MatMulDesc> gapless(const MatMulDesc& desc) { return without_gaps(desc); }
std::optional<ConvDesc> gapless(const ConvDesc& desc) { return without_gaps(desc); }

Stage copy_stage(Part& part, Bound from, Bound to) {
  if (const auto rows = version::row_copy(from.desc, to.desc))
    return {{}, {std::move(from), std::move(to)}, rows};
  const dnnl::reorder::primitive_desc copy(cpu_engine(), from.desc, cpu_engine(), to.desc,
                                           make_attr({}));
  from.index = DNNL_ARG_FROM;
  to.index = DNNL_ARG_TO;
  Stage stage{dnnl::reorder(copy), {std::move(from), std::move(to)}};
  if (const dnnl::memory::desc scratch = copy.scratchpad_desc(); scratch.get_size() > 0)
    stage.bound.push_back({DNNL_ARG_SCRATCHPAD, scratch, {}, part.reserve(scratch)});
  return stage;
}

/// Lets a stage have in scratch memory those of its arguments that are given otherwise than it
/// wants them. Adds what moves them there; what moves the result to its place comes back.
std::optional<Stage> move_arguments(Part& part, Stage& stage, const std::vector<Bound>& given) {
  std::optional<Stage> last;
  for (std::size_t i = 0; i < given.size(); ++i) {
    Bound& wanted = stage.bound[i];
    if (wanted.desc == given[i].desc) continue;
    wanted.slot.reset();
    wanted.scratch = part.reserve(wanted.desc);
    if (given[i].slot == Slot::dst) {
      last = copy_stage(part, wanted, given[i]);
    } else {
      part.stages.push_back(copy_stage(part, given[i], wanted));
    }
  }
  return last;
}

/// Prepares the operation of a description and of its slices.
template <class Desc>
class Preparation {
 public:
  explicit Preparation(const Desc& desc) : desc_(desc), plain_weights_(weights_to_pack(desc)) {}

  OperationPtr prepare() {
    const OneThread alone;
    try {
      const Weights any = plain_weights_ ? Weights(in_any_layout(*plain_weights_)) : std::nullopt;
      const Created whole = create(desc_, attributes_of(desc_), any);
      if (!whole) return nullptr;
      impl_->kernel = whole->impl_info_str();
      start_over(*whole);
      const int slices = slices_for(desc_);
      if (!add_all(divide(desc_, slices), *whole) &&
          !add_all(divide_otherwise(desc_, slices), *whole)) {
        // Alone, Winograd's algorithm takes longer than slices of the direct one.
        if (needs_blocks(desc_) && slices > 1) return nullptr;
        start_over(*whole);
        impl_->pieces.emplace_back(make_part(*whole, desc_, desc_), Offsets{});
      }
      return std::make_shared<const Operation>(std::move(impl_));
    } catch (const dnnl::error& error) {
      if (error.status == dnnl_unimplemented || error.status == dnnl_invalid_arguments)
        return nullptr;
      check(error.status, "preparation");
      throw;
    }
  }

 private:
  static dnnl::primitive_attr attributes_of(const Desc& desc) {
    dnnl::primitive_attr attr = make_attr(steps_of(desc));
    if (takes_src_zero_point(desc)) version::set_src_zero_point(attr);
    if (!scales_of(desc).empty()) version::set_scales(attr, scales_of(desc));
    return attr;
  }

  /// No pieces yet, and weights as the whole wants them.
  void start_over(const dnnl::primitive_desc_base& whole) {
    impl_->pieces.clear();
    impl_->scratch_bytes = 0;
    parts_.clear();
    if (plain_weights_)
      impl_->packed = {{*plain_weights_, 0, whole.query_md(dnnl::query::weights_md), 0}};
  }

  /// Whether oneDNN runs all slices by the kernel of the whole, on the weights packed for that.
  bool add_all(std::vector<Slice<Desc>> slices, const dnnl::primitive_desc_base& whole) {
    if (slices.size() < 2) return false;
    start_over(whole);
    if (plain_weights_ && slices.front().channels.end == 0) {  // the layout may depend on the rows
      const Desc& first = slices.front().desc;
      const Created created = create(first, attributes_of(first), in_any_layout(*plain_weights_));
      if (!created) return false;
      impl_->packed.front().packed = created->query_md(dnnl::query::weights_md);
    }
    if (needs_blocks(desc_) && slices.front().channels.end > 0) impl_->packed.clear();
    for (Slice<Desc>& slice : slices) {
      const PartPtr part = part_for(slice);
      if (!part) return false;
      impl_->pieces.emplace_back(part, slice.offsets);
    }
    return true;
  }

  PartPtr part_for(Slice<Desc>& slice) {
    const bool has_some = plain_weights_ && slice.channels.end > 0;
    auto known = std::ranges::find(parts_, slice.desc, &std::pair<Desc, PartPtr>::first);
    if (known == parts_.end()) {
      PartPtr made = try_part(slice.desc, slice.desc, has_some);
      if (!made) {
        if (const auto dense = gapless(slice.desc)) made = try_part(*dense, slice.desc, has_some);
      }
      if (!made) return nullptr;
      known = parts_.emplace(parts_.end(), slice.desc, std::move(made));
    }
    if (has_some) {
      const auto begin = begin_of_weights(slice, *known->second);
      if (!begin) return nullptr;
      slice.offsets[static_cast<std::size_t>(Slot::weights)] = *begin;
    }
    return known->second;
  }

  /// Where those of some channels begin among the packed ones. The layouts of Winograd's kernels
  /// are not made of such parts, so that each slice has its own.
  std::optional<std::int64_t> begin_of_weights(const Slice<Desc>& slice, const Part& part) {
    const auto& [axis, first, end] = slice.channels;
    std::vector<PackedChannels>& packed = impl_->packed;
    if (!needs_blocks(desc_))
      return version::begin_of_part(packed.front().packed, axis, first, end, part.weights);
    std::int64_t begin = 0;
    if (!packed.empty()) {
      const std::size_t size = packed.back().packed.get_size();
      begin = packed.back().packed_begin + static_cast<std::int64_t>((size + 63) / 64 * 64);
    }
    packed.push_back({*weights_to_pack(slice.desc), begin_of_channels(slice), part.weights, begin});
    return begin;
  }

  /// A part that computes `desc`, of arguments as `given` describes them, if by the kernel of the
  /// whole.
  PartPtr try_part(const Desc& desc, const Desc& given, bool has_some_weights) {
    Weights weights;
    if (plain_weights_) {
      weights =
          has_some_weights ? in_any_layout(*weights_to_pack(desc)) : impl_->packed.front().packed;
    }
    const Created created = create(desc, attributes_of(desc), weights);
    if (!created) return nullptr;
    const bool packs_apart = needs_blocks(desc) && has_some_weights;
    if (!packs_apart && created->impl_info_str() != impl_->kernel) return nullptr;
    return make_part(*created, desc, given);
  }

  PartPtr make_part(const dnnl::primitive_desc_base& created, const Desc& desc, const Desc& given) {
    auto part = std::make_shared<Part>();
    Stage stage{dnnl::primitive(created.get()), bind(desc)};
    if (needs_blocks(desc)) {
      for (Bound& argument : stage.bound) {
        if (argument.slot == Slot::src || argument.slot == Slot::dst)
          argument.desc = in_blocks(argument.desc);
      }
    }
    if (impl_->slots.empty()) {
      for (const Bound& argument : stage.bound) impl_->slots.push_back(*argument.slot);
      if (plain_weights_) impl_->slots.push_back(Slot::weights);
    }
    std::optional<Stage> last = move_arguments(*part, stage, bind(given));
    if (plain_weights_) {
      part->weights = created.query_md(dnnl::query::weights_md);
      stage.bound.push_back({DNNL_ARG_WEIGHTS, part->weights, Slot::weights});
    }
    if (const dnnl::memory::desc scratch = created.scratchpad_desc(); scratch.get_size() > 0)
      stage.bound.push_back({DNNL_ARG_SCRATCHPAD, scratch, {}, part->reserve(scratch)});
    part->stages.push_back(std::move(stage));
    if (last) part->stages.push_back(*std::move(last));
    impl_->scratch_bytes = std::max(impl_->scratch_bytes, part->scratch_bytes);
    return part;
  }

  static std::vector<Bound> bind(const Desc& desc) {
    std::vector<Bound> bound;
    std::vector<int> binary_steps;
    const std::span<const PostOp> steps = steps_of(desc);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].kind == PostOp::Kind::binary) binary_steps.push_back(static_cast<int>(i));
    }
    const auto add = [&](Slot slot, const TensorDesc& argument) {
      bound.push_back({argument_index(slot, binary_steps), to_onednn(argument), slot});
    };
    for (const auto& [slot, argument] : arguments_of(desc)) add(slot, argument);
    for (std::size_t i = 0; i < binary_steps.size(); ++i) {
      const auto slot = static_cast<Slot>(static_cast<std::size_t>(Slot::post_op0) + i);
      add(slot, steps[static_cast<std::size_t>(binary_steps[i])].operand);
    }
    return bound;
  }

  const Desc& desc_;
  Weights plain_weights_;
  std::unique_ptr<Operation::Impl> impl_ = std::make_unique<Operation::Impl>();
  std::vector<std::pair<Desc, PartPtr>> parts_;
};

template <class Desc>
OperationPtr prepare(const Desc& desc, const OperationKey& key) {
  const auto make = [&] { return Preparation<Desc>(desc).prepare(); };
  return scales_of(desc).empty() ? operation_cache().find_or_add(key, make) : make();
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
  return prepare(desc, key);
}

namespace {

/// Whether each place of `dst` has an element of its window in `src`: oneDNN's kernels read and
/// write elsewhere where one has not.
bool has_no_empty_window(const Shape& src, const Shape& dst, const Shape& kernel,
                         const Window& window) {
  for (int axis = 0; axis < kernel.rank(); ++axis) {
    const std::int64_t dilation = window.dilations[axis];
    for (std::int64_t place = 0; place < dst[axis + 2]; ++place) {
      const std::int64_t first = place * window.strides[axis] - window.pads_begin[axis];
      const std::int64_t outside = first < 0 ? (-first + dilation - 1) / dilation : 0;
      if (outside >= kernel[axis] || first + outside * dilation >= src[axis + 2]) return false;
    }
  }
  return true;
}

Shape spatial(const Shape& weights, int rank) {
  return Shape(std::span(weights.end() - rank, weights.end()));
}

}  // namespace

OperationPtr try_prepare(const ConvDesc& desc) {
  const Shape kernel = spatial(desc.weights.shape, desc.src.shape.rank() - 2);
  const auto& [image, places] = desc.transposed ? std::pair(desc.dst.shape, desc.src.shape)
                                                : std::pair(desc.src.shape, desc.dst.shape);
  if (!has_no_empty_window(image, places, kernel, desc.window)) return nullptr;
  OperationKey key("conv", {desc.src, desc.weights, desc.dst}, desc.post_ops);
  key.add(desc.groups).add(desc.transposed).add(desc.winograd).add(desc.src_zero_point);
  add_window(key, desc.window);
  for (const TensorDesc& bias : desc.bias) key.add(bias);
  return prepare(desc, key);
}

OperationPtr try_prepare(const PoolDesc& desc) {
  if (!has_no_empty_window(desc.src.shape, desc.dst.shape, desc.kernel, desc.window))
    return nullptr;
  OperationKey key("pool", {desc.src, desc.dst}, {});
  key.add(desc.operation);
  for (const std::int64_t size : desc.kernel) key.add(size);
  add_window(key, desc.window);
  return prepare(desc, key);
}

OperationPtr try_prepare(const SoftmaxDesc& desc) {
  OperationKey key("softmax", {desc.src, desc.dst}, {});
  key.add(desc.axis).add(desc.logarithm);
  return prepare(desc, key);
}

OperationPtr try_prepare(const LayerNormDesc& desc) {
  OperationKey key("layer_norm", {desc.src, desc.dst}, {});
  key.add(desc.epsilon).add(desc.has_scale).add(desc.has_shift);
  return prepare(desc, key);
}

OperationPtr try_prepare(const EltwiseDesc& desc) {
  OperationKey key("eltwise", {desc.src, desc.dst}, {});
  key.add(desc.function).add(desc.alpha).add(desc.beta);
  return prepare(desc, key);
}

OperationPtr try_prepare(const BinaryDesc& desc) {
  OperationKey key("binary", {desc.src, desc.src1, desc.dst}, desc.post_ops);
  key.add(desc.operation);
  return prepare(desc, key);
}

OperationPtr try_prepare(const ReductionDesc& desc) {
  OperationKey key("reduction", {desc.src, desc.dst}, {});
  key.add(desc.operation);
  return prepare(desc, key);
}

OperationPtr try_prepare(const ReorderDesc& desc) {
  const OperationKey key("reorder", {desc.src, desc.dst}, {});
  return prepare(desc, key);
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
