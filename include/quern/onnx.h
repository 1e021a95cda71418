#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/export.h"
#include "quern/tensor.h"

namespace quern::onnx {

/// What kind of thing an input, an output or an edge of a graph carries.
enum class ValueKind : std::uint8_t { none, tensor, sequence, map };
QUERN_API std::string_view to_string(ValueKind kind) noexcept;

/// What an edge of a graph carries: a tensor; a sequence of values; a map, as ai.onnx.ml makes
/// them; or nothing (an optional without a value). Copies share everything.
class QUERN_API Value {
 public:
  Value() = default;
  Value(Tensor tensor);  // NOLINT: a tensor is a value
  static Value sequence(std::vector<Value> items);
  /// `keys` [n] (i64 or string) to `values` [n]. Throws: `invalid_argument`.
  static Value map(Tensor keys, Tensor values);
  /// Reads a file as the ONNX standard's tests have them: one TensorProto, or, as `kind` says, a
  /// SequenceProto; else an OptionalProto. Throws: `not_found`, `corrupt_file`, `unsupported`.
  static Value open(const std::string& path, ValueKind kind = ValueKind::tensor);

  ValueKind kind() const noexcept { return kind_; }
  bool is_tensor() const noexcept { return kind_ == ValueKind::tensor; }
  bool is_none() const noexcept { return kind_ == ValueKind::none; }

  /// Throws: `invalid_argument` where it is something else.
  const Tensor& tensor() const;
  operator const Tensor&() const { return tensor(); }  // NOLINT: for Tensor y = run(...).at("y")
  std::span<const Value> items() const;
  const Tensor& keys() const;
  const Tensor& values() const;

 private:
  ValueKind kind_ = ValueKind::none;
  Tensor tensor_;
  std::shared_ptr<const std::vector<Value>> items_;  // of a map: its keys, its values
};

/// Values by the names of the graph's inputs or outputs.
using Values = std::map<std::string, Value, std::less<>>;

/// What a graph declares of an input or an output.
struct ValueInfo {
  std::string name;
  ValueKind kind = ValueKind::tensor;
  bool is_optional = false;
  bool has_dtype = false;
  DType dtype = DType::f32;
  bool has_shape = false;
  std::vector<std::int64_t> dims;      ///< -1 where the size is not fixed
  std::vector<std::string> dim_names;  ///< "batch", or empty
};

/// What the graph is computed in.
enum class Precision : std::uint8_t {
  f32,   ///< as the file says
  bf16,  ///< matrix products and convolutions in bf16 where the machine gains by it
};

struct LoadOptions {
  Precision precision = Precision::f32;
  bool optimise =
      true;            ///< rewrite the graph (fusion, folding, layouts); results agree to rounding
  int max_plans = 64;  ///< plans kept, one for each set of input shapes; the oldest goes
  /// Loop iterations and branches that one run may take in all; past them it throws `unsupported`.
  std::int64_t max_subgraph_runs = 10'000'000;
};

/// Time that one node took in one run, in microseconds from the start of the run.
struct NodeTiming {
  std::string name;
  std::string op_type;
  double start = 0;
  double duration = 0;
};

struct RunOptions {
  std::vector<std::string> outputs = {};       ///< the outputs wanted; empty: all
  std::vector<NodeTiming>* profile = nullptr;  ///< receives a row a node
};

/// What a model file says of itself.
struct ModelInfo {
  std::string producer;
  std::string description;
  std::int64_t ir_version = 0;
  std::map<std::string, std::int64_t> opsets;  ///< by domain; "" is ai.onnx
  std::vector<ValueInfo> inputs;               ///< those that a caller gives
  std::vector<ValueInfo> defaulted;  ///< those that the file has a value of, if none is given
  std::vector<ValueInfo> outputs;
  std::map<std::string, std::string> metadata;
  std::int64_t nodes = 0;       ///< as loaded, subgraphs apart
  std::int64_t parameters = 0;  ///< elements of all initializers
  /// How many nodes of each operator there are in all, "Conv" or "com.microsoft::QGemm"; and those
  /// of them that are not supported, with which no model loads.
  std::map<std::string, std::int64_t> operators;
  std::vector<std::string> unsupported;
};

/// What a .onnx file says of itself; also of one that does not load for its operators. Throws:
/// `not_found`; `corrupt_file`; `unsupported`.
QUERN_API ModelInfo inspect(const std::string& path);

/// An ONNX graph, ready to run.
///
/// Immutable; copies share everything. Safe to use from several threads at once.
class QUERN_API Model {
 public:
  /// Reads a .onnx file, with data files beside it. Throws: `not_found`; `corrupt_file`;
  /// `unsupported`, naming every operator that has no handler.
  static Model load(const std::string& path, const LoadOptions& options = {});
  /// Reads a model from memory, which is copied. Data files are looked for in `folder`.
  static Model parse(std::span<const std::byte> bytes, const LoadOptions& options = {},
                     const std::string& folder = {});

  const ModelInfo& info() const noexcept;

  /// Whether it is proved, by the rules of its operators, that rows along the first axis of all
  /// inputs may be computed together: each row of every output follows from the same row of the
  /// inputs alone. False where an operator mixes rows, or may do so.
  bool rows_are_independent() const noexcept;

  /// Runs the graph. An input that the file has a value of takes the caller's where one is given;
  /// the graph is prepared anew for each set of such inputs. Throws: `invalid_argument` for an
  /// input that is missing, unknown, or of another dtype or shape than declared; and what its
  /// operators throw, with the node's name.
  Values run(const Values& inputs, const RunOptions& options = {}) const;

 private:
  friend class Session;
  struct Impl;
  explicit Model(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

/// Runs of one model, one after another, in memory of its own: what a thread that calls often
/// keeps. Movable; one thread at a time.
class QUERN_API Session {
 public:
  explicit Session(const Model& model);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// As Model::run.
  Values run(const Values& inputs, const RunOptions& options = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::onnx
