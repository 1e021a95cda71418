#include <algorithm>
#include <filesystem>
#include <mutex>

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

struct Model::Impl {
  ModelInfo info;
  bool has_independent_rows = false;
  std::unique_ptr<const Executable> executable;

  static std::shared_ptr<const Impl> read(const io::FileBytes& file, const std::string& folder,
                                          const LoadOptions& options);
  Values run(const Values& inputs, const RunOptions& options, RunState& state) const;

  /// States that runs without a session of their own take and give back.
  std::unique_ptr<RunState> take() const {
    const std::scoped_lock lock(mutex);
    if (idle.empty()) return std::make_unique<RunState>();
    auto state = std::move(idle.back());
    idle.pop_back();
    return state;
  }
  void give_back(std::unique_ptr<RunState> state) const {
    constexpr std::size_t kKept = 8;
    const std::scoped_lock lock(mutex);
    if (idle.size() < kKept) idle.push_back(std::move(state));
  }

 private:
  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<RunState>> idle;
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

ModelInfo describe(const proto::ModelProto& source, const Graph& graph) {
  ModelInfo info;
  info.producer = source.producer_name;
  if (!source.producer_version.empty()) info.producer += " " + source.producer_version;
  info.description = source.doc_string;
  info.ir_version = source.ir_version;
  for (const proto::OperatorSetId& opset : source.opset_import)
    info.opsets[opset.domain] = opset.version;
  for (const auto& [key, value] : source.metadata_props) info.metadata[key] = value;
  for (const ValueId id : graph.inputs) {
    const std::string& name = graph.value(id).name;
    for (const proto::ValueInfoProto& input : source.graph.input) {
      if (input.name == name) info.inputs.push_back(describe(input));
    }
  }
  for (const proto::ValueInfoProto& output : source.graph.output)
    info.outputs.push_back(describe(output));
  info.nodes = static_cast<std::int64_t>(source.graph.node.size());
  for (const proto::NamedTensor& initializer : source.graph.initializer)
    info.parameters += initializer.tensor.numel();
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

Values Model::Impl::run(const Values& inputs, const RunOptions& options, RunState& state) const {
  for (const auto& [name, value] : inputs) {
    const bool known = std::ranges::find(info.inputs, name, &ValueInfo::name) != info.inputs.end();
    require(known, "run: no input \"{}\"; the model has {}", name, names_of(info.inputs));
  }
  for (const std::string& name : options.outputs) {
    const bool known =
        std::ranges::find(info.outputs, name, &ValueInfo::name) != info.outputs.end();
    require(known, "run: no output \"{}\"; the model has {}", name, names_of(info.outputs));
  }
  std::vector<Value> ordered;
  for (const ValueInfo& input : info.inputs) {
    const auto given = inputs.find(input.name);
    require(given != inputs.end() || input.is_optional, "run: input \"{}\" is missing", input.name);
    ordered.push_back(given == inputs.end() ? Value() : given->second);
    check(ordered.back(), input);
  }
  std::vector<Value> results = executable->run(ordered, state, options.profile);
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
  Graph graph = [&] {
    const proto::ModelProto source = proto::read_model(file, folder);
    Graph built = build_graph(source);
    impl->info = describe(source, built);
    return built;
  }();
  impl->has_independent_rows = onnx::has_independent_rows(graph);
  if (options.optimise) optimise(graph);
  if (options.precision == Precision::bf16 && ops::has_fast_bf16()) lower_precision(graph);
  impl->executable = std::make_unique<const Executable>(
      std::move(graph), static_cast<std::size_t>(options.max_plans), options.max_subgraph_runs);
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
  auto state = impl_->take();
  Values results = impl_->run(inputs, options, *state);
  impl_->give_back(std::move(state));
  return results;
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
  return impl_->model->run(inputs, options, impl_->state);
}

}  // namespace quern::onnx
