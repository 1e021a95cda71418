#include <algorithm>
#include <filesystem>
#include <list>
#include <mutex>
#include <set>

#include "core/error.h"
#include "core/format.h"
#include "io/mapped_file.h"
#include "io/onnx_proto.h"
#include "onnx/build.h"
#include "onnx/executable.h"
#include "onnx/passes/pass.h"
#include "onnx/row_independence.h"
#include "ops/packed_matmul.h"
#include "quern/onnx.h"

namespace quern::onnx {

namespace {

/// A graph ready to run, and states of runs that have none of their own.
class Runnable {
 public:
  Runnable(Graph graph, const LoadOptions& options)
      : executable_(std::move(graph), static_cast<std::size_t>(options.max_plans),
                    options.max_subgraph_runs) {}

  const Graph& graph() const { return executable_.graph(); }

  /// In the caller's state, where there is one.
  std::vector<Value> run(std::span<const Value> inputs, RunState* own,
                         std::vector<NodeTiming>* profile) const {
    if (own != nullptr) return executable_.run(inputs, *own, profile);
    auto state = take();
    std::vector<Value> results = executable_.run(inputs, *state, profile);
    give_back(std::move(state));
    return results;
  }

 private:
  std::unique_ptr<RunState> take() const {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return std::make_unique<RunState>();
    auto state = std::move(idle_.back());
    idle_.pop_back();
    return state;
  }
  void give_back(std::unique_ptr<RunState> state) const {
    constexpr std::size_t kKept = 8;
    const std::scoped_lock lock(mutex_);
    if (idle_.size() < kKept) idle_.push_back(std::move(state));
  }

  Executable executable_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<RunState>> idle_;
};

std::unique_ptr<const Runnable> prepare(Graph graph, const LoadOptions& options) {
  if (options.optimise) optimise(graph);
  if (options.precision == Precision::bf16 && ops::has_fast_bf16()) lower_precision(graph);
  return std::make_unique<const Runnable>(std::move(graph), options);
}

/// A model with inputs that have a value in the file, prepared for each set of those that callers
/// give. Thread-safe.
class Variants {
 public:
  Variants(std::shared_ptr<const io::onnx::ModelProto> source, const LoadOptions& options)
      : source_(std::move(source)), options_(options) {}

  std::shared_ptr<const Runnable> find(const std::set<std::string>& given) const {
    constexpr std::size_t kMost = 4;
    const std::scoped_lock lock(mutex_);
    const auto known = std::ranges::find(recent_, given, &Variant::first);
    if (known != recent_.end()) {
      recent_.splice(recent_.begin(), recent_, known);
    } else {
      recent_.emplace_front(given, prepare(build_graph(*source_, given), options_));
      if (recent_.size() > kMost) recent_.pop_back();
    }
    return recent_.front().second;
  }

 private:
  using Variant = std::pair<std::set<std::string>, std::shared_ptr<const Runnable>>;

  std::shared_ptr<const io::onnx::ModelProto> source_;
  LoadOptions options_;
  mutable std::mutex mutex_;
  mutable std::list<Variant> recent_;
};

}  // namespace

struct Model::Impl {
  ModelInfo info;
  bool has_independent_rows = false;
  std::unique_ptr<const Runnable> runnable;
  std::unique_ptr<const Variants> variants;  ///< where inputs have a value in the file

  static std::shared_ptr<const Impl> read(const io::FileBytes& file, const std::string& folder,
                                          const LoadOptions& options);
  /// `state` null: one of the model's.
  Values run(const Values& inputs, const RunOptions& options, RunState* state) const;

  std::set<std::string> given_defaults(const Values& inputs) const;
};

namespace {

namespace proto = io::onnx;

ValueInfo describe(const proto::ValueInfoProto& source) {
  ValueInfo info;
  info.name = source.name;
  const proto::TypeProto* type = &source.type;
  while (type->kind == proto::TypeProto::Kind::optional && type->element) {
    info.is_optional = true;
    type = type->element.get();
  }
  switch (type->kind) {
    case proto::TypeProto::Kind::sequence:
      info.kind = ValueKind::sequence;
      break;
    case proto::TypeProto::Kind::map:
      info.kind = ValueKind::map;
      break;
    default:
      info.kind = ValueKind::tensor;
  }
  info.has_dtype = type->dtype.has_value() && info.kind == ValueKind::tensor;
  if (info.has_dtype) info.dtype = *type->dtype;
  info.has_shape = type->has_shape;
  for (const proto::Dimension& dim : type->shape) {
    const auto* size = std::get_if<std::int64_t>(&dim);
    const auto* name = std::get_if<std::string>(&dim);
    info.dims.push_back(size != nullptr && *size >= 0 ? *size : -1);
    info.dim_names.push_back(name != nullptr ? *name : "");
  }
  return info;
}

/// Of the graph and its subgraphs; what passes or readers of old forms put in is not counted.
void count_operators(const Graph& graph, ModelInfo& info) {
  for (const Node& node : graph.nodes) {
    if (node.domain == "quern") continue;
    const std::string name = (node.domain.empty() ? "" : node.domain + "::") + node.op_type;
    const bool is_new = info.operators[name]++ == 0;
    if (is_new && node.row == nullptr) info.unsupported.push_back(name);
    for (const auto& [unused, attribute] : node.attributes.all()) {
      const auto* inner = std::get_if<std::shared_ptr<const Graph>>(&attribute);
      if (inner != nullptr) count_operators(**inner, info);
    }
  }
}

ModelInfo describe(const proto::ModelProto& source, const Graph& graph) {
  ModelInfo info;
  info.producer = source.producer_name;
  if (!source.producer_version.empty()) info.producer += " " + source.producer_version;
  info.description = source.doc_string;
  info.ir_version = source.ir_version;
  for (const proto::OperatorSetId& opset : source.opset_import)
    info.opsets[opset.domain] = opset.version;
  for (const auto& [key, value] : source.metadata_props) info.metadata[key] = value;
  std::set<std::string_view> required;
  for (const ValueId id : graph.inputs) required.insert(graph.value(id).name);
  for (const proto::ValueInfoProto& input : source.graph.input)
    (required.contains(input.name) ? info.inputs : info.defaulted).push_back(describe(input));
  for (const proto::ValueInfoProto& output : source.graph.output)
    info.outputs.push_back(describe(output));
  info.nodes = static_cast<std::int64_t>(source.graph.node.size());
  for (const proto::NamedTensor& initializer : source.graph.initializer)
    info.parameters += initializer.tensor.numel();
  count_operators(graph, info);
  return info;
}

std::string names_of(const std::vector<ValueInfo>& infos) {
  std::string names;
  for (const ValueInfo& info : infos) names += (names.empty() ? "\"" : ", \"") + info.name + "\"";
  return names;
}

std::string shape_of(const ValueInfo& info) {
  std::string text;
  for (std::size_t i = 0; i < info.dims.size(); ++i) {
    const std::string name = info.dim_names[i].empty() ? "?" : info.dim_names[i];
    text += (i > 0 ? ", " : "") + (info.dims[i] < 0 ? name : std::to_string(info.dims[i]));
  }
  return "[" + text + "]";
}

void check(const Value& value, const ValueInfo& info) {
  if (value.is_none() && info.is_optional) return;
  require(value.kind() == info.kind, "run: input \"{}\" is a {}, expected a {}", info.name,
          to_string(value.kind()), to_string(info.kind));
  if (!value.is_tensor()) return;
  const Tensor& tensor = value.tensor();
  require(!info.has_dtype || tensor.dtype() == info.dtype,
          "run: input \"{}\" has dtype {}, expected {}", info.name, tensor.dtype(), info.dtype);
  bool fits = !info.has_shape || static_cast<std::size_t>(tensor.rank()) == info.dims.size();
  for (int axis = 0; fits && info.has_shape && axis < tensor.rank(); ++axis) {
    const std::int64_t expected = info.dims[static_cast<std::size_t>(axis)];
    fits = expected < 0 || expected == tensor.dim(axis);
  }
  require(fits, "run: input \"{}\" has shape {}, expected {}", info.name, tensor.shape(),
          shape_of(info));
}

}  // namespace

std::set<std::string> Model::Impl::given_defaults(const Values& inputs) const {
  std::set<std::string> given;
  for (const auto& [name, value] : inputs) {
    if (std::ranges::find(info.inputs, name, &ValueInfo::name) != info.inputs.end()) continue;
    const auto defaulted = std::ranges::find(info.defaulted, name, &ValueInfo::name);
    require(defaulted != info.defaulted.end(), "run: no input \"{}\"; the model has {}", name,
            names_of(info.inputs));
    check(value, *defaulted);
    given.insert(name);
  }
  return given;
}

Values Model::Impl::run(const Values& inputs, const RunOptions& options, RunState* state) const {
  const std::set<std::string> defaults = given_defaults(inputs);
  for (const std::string& name : options.outputs) {
    const bool known =
        std::ranges::find(info.outputs, name, &ValueInfo::name) != info.outputs.end();
    require(known, "run: no output \"{}\"; the model has {}", name, names_of(info.outputs));
  }
  for (const ValueInfo& input : info.inputs) {
    const auto given = inputs.find(input.name);
    require(given != inputs.end() || input.is_optional, "run: input \"{}\" is missing", input.name);
    check(given == inputs.end() ? Value() : given->second, input);
  }
  const auto variant = defaults.empty() ? nullptr : variants->find(defaults);
  const Runnable& used = variant ? *variant : *runnable;
  std::vector<Value> ordered;
  for (const ValueId id : used.graph().inputs) {
    const auto given = inputs.find(used.graph().value(id).name);
    ordered.push_back(given == inputs.end() ? Value() : given->second);
  }
  std::vector<Value> results = used.run(ordered, variant ? nullptr : state, options.profile);
  Values named;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string& name = info.outputs[i].name;
    const bool wanted = options.outputs.empty() || std::ranges::count(options.outputs, name) > 0;
    if (wanted) named.insert_or_assign(name, std::move(results[i]));
  }
  return named;
}

std::shared_ptr<const Model::Impl> Model::Impl::read(const io::FileBytes& file,
                                                     const std::string& folder,
                                                     const LoadOptions& options) {
  require(options.max_subgraph_runs >= 0, "load: max_subgraph_runs is {}, expected 0 or more",
          options.max_subgraph_runs);
  require(options.max_plans > 0, "load: max_plans is {}, expected 1 or more", options.max_plans);
  auto impl = std::make_shared<Impl>();
  auto source = std::make_shared<proto::ModelProto>(proto::read_model(file, folder));
  Graph graph = build_graph(*source);
  impl->info = describe(*source, graph);
  impl->has_independent_rows = onnx::has_independent_rows(graph);
  if (!impl->info.defaulted.empty())
    impl->variants = std::make_unique<const Variants>(source, options);
  source = nullptr;  // what passes replace goes before kernels are made
  impl->runnable = prepare(std::move(graph), options);
  return impl;
}

Model::Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Model Model::load(const std::string& path, const LoadOptions& options) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return Model(Impl::read(io::map_file(path), folder, options));
}

Model Model::parse(std::span<const std::byte> bytes, const LoadOptions& options,
                   const std::string& folder) {
  auto copy = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  const std::span<const std::byte> view(*copy);
  return Model(Impl::read({"model", view, std::move(copy)}, folder, options));
}

const ModelInfo& Model::info() const noexcept { return impl_->info; }

bool Model::rows_are_independent() const noexcept { return impl_->has_independent_rows; }

Values Model::run(const Values& inputs, const RunOptions& options) const {
  return impl_->run(inputs, options, nullptr);
}

ModelInfo inspect(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const proto::ModelProto source = proto::read_model(io::map_file(path), folder);
  return describe(source, build_graph(source));
}

struct Session::Impl {
  std::shared_ptr<const Model::Impl> model;
  RunState state;
};

Session::Session(const Model& model) : impl_(std::make_unique<Impl>()) {
  impl_->model = model.impl_;
}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Values Session::run(const Values& inputs, const RunOptions& options) {
  return impl_->model->run(inputs, options, &impl_->state);
}

}  // namespace quern::onnx
