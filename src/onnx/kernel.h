#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "onnx/graph.h"

namespace quern::onnx {

/// The values that a node's inputs have in one run.
class Inputs {
 public:
  /// `last_reads`: a bit for each of the first 64 that nothing reads after this, nor twice here.
  /// `finite`: whether all floats among the inputs of the whole graph are finite.
  explicit Inputs(std::span<const Value* const> values, std::uint64_t last_reads = 0,
                  bool finite = false)
      : values_(values), last_reads_(last_reads), finite_(finite) {}

  std::size_t size() const noexcept { return values_.size(); }
  bool has(std::size_t index) const noexcept {
    return index < values_.size() && !values_[index]->is_none();
  }
  /// Nothing where the input is absent.
  const Value& value(std::size_t index) const noexcept {
    static const Value none;
    return index < values_.size() ? *values_[index] : none;
  }
  /// Throws: `invalid_argument` where the input is absent or not a tensor.
  const Tensor& operator[](std::size_t index) const {
    require(has(index), "input {} is missing", index);
    return values_[index]->tensor();
  }
  std::optional<Tensor> find(std::size_t index) const {
    return has(index) ? std::optional<Tensor>((*this)[index]) : std::nullopt;
  }
  /// Whether a result may take the place of input `index`: a tensor that nobody else has or will
  /// read. Ask before copying it.
  bool may_overwrite(std::size_t index) const noexcept {
    return index < 64 && (last_reads_ >> index & 1) != 0 && value(index).is_tensor() &&
           value(index).tensor().is_sole_owner();
  }
  /// Whether the inputs of the graph are known to hold neither NaN nor infinity.
  bool graph_is_finite() const noexcept { return finite_; }
  /// The elements of input `index`, i32 or i64, in a row. Throws: `invalid_argument`.
  std::vector<std::int64_t> ints(std::size_t index) const;
  std::vector<Tensor> tensors(std::size_t first = 0) const;

 private:
  std::span<const Value* const> values_;
  std::uint64_t last_reads_;
  bool finite_;
};

/// Where a kernel puts its results, in the order of the node's outputs.
class Outputs {
 public:
  explicit Outputs(std::span<Value> values) : values_(values) {}
  std::size_t size() const noexcept { return values_.size(); }
  void set(std::size_t index, Value value) {
    if (index < values_.size()) values_[index] = std::move(value);
  }

 private:
  std::span<Value> values_;
};

/// A graph that a node owns, compiled, for the node's kernel to run.
class Subgraph {
 public:
  virtual ~Subgraph() = default;
  virtual const Graph& graph() const noexcept = 0;
  /// `captured` are the values that the node has as inputs. Throws: `unsupported` past the subgraph
  /// runs that are left to the run of the graph around.
  virtual std::vector<Value> run_nested(std::span<const Value> inputs,
                                        const Inputs& captured) const = 0;
};

/// What a node computes, its attributes bound. Immutable; `run` may be called from several threads.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void run(const Inputs& in, Outputs& out) const = 0;
  /// False of a constant input that the kernel has taken in when it was made: `run` need not be
  /// given it.
  virtual bool reads(std::size_t) const { return true; }
};
using KernelPtr = std::unique_ptr<const Kernel>;

/// A kernel of a function of the inputs that gives a Tensor, a Value, or a vector of either.
template <class Function>
KernelPtr make_kernel(Function function) {
  class FunctionKernel final : public Kernel {
   public:
    explicit FunctionKernel(Function function) : function_(std::move(function)) {}
    void run(const Inputs& in, Outputs& out) const override {
      auto result = function_(in);
      if constexpr (std::is_constructible_v<Value, decltype(result)>) {
        out.set(0, std::move(result));
      } else {
        for (std::size_t i = 0; i < result.size(); ++i) out.set(i, std::move(result[i]));
      }
    }

   private:
    Function function_;
  };
  return std::make_unique<FunctionKernel>(std::move(function));
}

}  // namespace quern::onnx
