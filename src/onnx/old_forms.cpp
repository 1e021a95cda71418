#include "onnx/old_forms.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/format.h"
#include "onnx/operator.h"

namespace quern::onnx {
namespace {

using Ints = std::vector<std::int64_t>;
using Nodes = std::vector<Node>;
constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

Nodes alone(Node node) {
  Nodes nodes;
  nodes.push_back(std::move(node));
  return nodes;
}

ValueId add_constant(Graph& graph, const std::string& name, Tensor value) {
  const ValueId id = graph.add_value(name);
  graph.value(id).constant = std::move(value);
  return id;
}

/// Nodes that stand for one: the last gives its result.
class Chain {
 public:
  Chain(const Node& whole, Graph& graph) : whole_(whole), graph_(graph) {}

  ValueId number(float value) {
    return add_constant(graph_, name("constant"), Tensor::scalar(value));
  }
  ValueId constant(Tensor value) {
    return add_constant(graph_, name("constant"), std::move(value));
  }
  ValueId add(const char* op_type, std::vector<ValueId> inputs, std::int64_t opset = 7) {
    Node part;
    part.name = name(op_type);
    part.op_type = op_type;
    part.opset = opset;
    part.operator_inputs = inputs.size();
    part.inputs = std::move(inputs);
    part.outputs = {graph_.add_value(part.name)};
    parts_.push_back(std::move(part));
    return parts_.back().outputs[0];
  }
  Attributes& attributes() { return parts_.back().attributes; }
  Nodes end() {
    parts_.back().outputs = whole_.outputs;
    return std::move(parts_);
  }

 private:
  std::string name(const char* what) {
    return fmt::format("{}/{}_{}", whole_.name, what, ++count_);
  }

  const Node& whole_;
  Graph& graph_;
  Nodes parts_;
  int count_ = 0;
};

// ---- Forms of operators that are still there ----

/// The second input's axes are the first's from `axis` on; passes know only NumPy's rules.
Nodes aligned(Node node, Graph& graph, std::int64_t axis) {
  if (node.operator_inputs != 2) return alone(std::move(node));
  Node align;
  align.name = node.name + "/align";
  align.domain = "quern";
  align.op_type = "AlignAxis";
  align.opset = 1;
  align.attributes.set("axis", axis);
  align.inputs = node.inputs;
  align.operator_inputs = 2;
  align.outputs = {graph.add_value(align.name)};
  node.inputs[1] = align.outputs[0];
  node.attributes.erase("axis");
  Nodes nodes = alone(std::move(align));
  nodes.push_back(std::move(node));
  return nodes;
}

Nodes renew_binary(Node node, Graph& graph) {
  const auto axis = node.attributes.find<std::int64_t>("axis");
  return axis ? aligned(std::move(node), graph, *axis) : alone(std::move(node));
}

/// A slope [channels].
Nodes renew_prelu(Node node, Graph& graph) { return aligned(std::move(node), graph, 1); }

/// Statistics of each feature, of the shape that x has beside its batch.
Nodes feature_normalization(const Node& node, Graph& graph) {
  Chain chain(node, graph);
  const ValueId epsilon = chain.number(node.attributes.get("epsilon", 1e-5f));
  const ValueId variance = chain.add("Add", {node.input(4), epsilon});
  const ValueId centered = chain.add("Sub", {node.input(0), node.input(3)});
  const ValueId unit = chain.add("Div", {centered, chain.add("Sqrt", {variance})});
  chain.add("Add", {chain.add("Mul", {unit, node.input(1)}), node.input(2)});
  return chain.end();
}

/// It trains where it has more results than one, and before opset 7 is not told otherwise.
Nodes renew_batch_norm(Node node, Graph& graph) {
  if (node.opset < 9 && node.attributes.get("spatial", std::int64_t{1}) == 0)
    return feature_normalization(node, graph);
  const bool is_test = node.attributes.get("is_test", std::int64_t{0}) != 0;
  const bool more =
      std::ranges::count_if(node.outputs, [](ValueId id) { return id != kAbsent; }) > 1;
  node.attributes.set("training_mode", std::int64_t{more && !is_test});
  node.opset = 14;
  return alone(std::move(node));
}

/// The code of a TensorProto.DataType by its name.
Nodes renew_cast(Node node, Graph&) {
  constexpr std::string_view kNames[] = {"FLOAT",  "UINT8",  "INT8",   "UINT16", "INT16",
                                         "INT32",  "INT64",  "STRING", "BOOL",   "FLOAT16",
                                         "DOUBLE", "UINT32", "UINT64"};
  const auto to = node.attributes.all().find("to");
  if (to == node.attributes.all().end() || !std::holds_alternative<std::string>(to->second))
    return alone(std::move(node));
  std::string name = std::get<std::string>(to->second);
  std::ranges::transform(name, name.begin(), [](char letter) {
    return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
  });
  const auto* found = std::ranges::find(kNames, name);
  if (found == std::end(kNames))
    fail(ErrorCode::corrupt_file, "Cast: no type \"{}\" (node \"{}\")", name, node.name);
  node.attributes.set("to", static_cast<std::int64_t>(found - std::begin(kNames)) + 1);
  return alone(std::move(node));
}

/// Without the `is_test` of inference, which is all there is here.
Nodes renew_dropout(Node node, Graph&) {
  node.opset = 7;
  return alone(std::move(node));
}

/// Over batch and places, or all axes of an image.
Nodes renew_mean_variance_norm(Node node, Graph& graph) {
  const bool across = node.attributes.get("across_channels", std::int64_t{0}) != 0;
  const Ints axes = across ? Ints{0, 1, 2, 3} : Ints{0, 2, 3};
  if (node.attributes.get("normalize_variance", std::int64_t{1}) != 0) {
    if (!node.attributes.contains("axes")) node.attributes.set("axes", axes);
    return alone(std::move(node));
  }
  Chain chain(node, graph);
  const ValueId mean = chain.add("ReduceMean", {node.input(0)});
  chain.attributes().set("axes", axes);
  chain.add("Sub", {node.input(0), mean});
  return chain.end();
}

Nodes renew_pad(Node node, Graph&) {
  if (!node.attributes.contains("pads"))
    node.attributes.set("pads", node.attributes.get<Ints>("paddings"));
  node.opset = 2;
  return alone(std::move(node));
}

Nodes renew_reshape(Node node, Graph& graph) {
  if (node.operator_inputs != 1) return alone(std::move(node));
  const Ints shape = node.attributes.ints("shape");
  node.inputs.push_back(add_constant(
      graph, node.name + "/shape", Tensor::from(shape, {static_cast<std::int64_t>(shape.size())})));
  node.operator_inputs = 2;
  node.opset = 5;
  return alone(std::move(node));
}

Nodes renew_selu(Node node, Graph&) {
  if (!node.attributes.contains("alpha")) node.attributes.set("alpha", 1.6732f);
  if (!node.attributes.contains("gamma")) node.attributes.set("gamma", 1.0507f);
  return alone(std::move(node));
}

/// `tiles` copies along one axis.
Nodes renew_tile(Node node, Graph&) {
  node.domain = "quern";
  node.op_type = "TileAxis";
  node.opset = 1;
  return alone(std::move(node));
}

Nodes renew_upsample(Node node, Graph&) {
  node.attributes.set("scales",
                      std::vector<float>{1.f, 1.f, node.attributes.get<float>("height_scale"),
                                         node.attributes.get<float>("width_scale")});
  node.opset = 7;
  return alone(std::move(node));
}

// ---- Experimental operators ----

Nodes renew_affine(Node node, Graph& graph) {
  Chain chain(node, graph);
  const ValueId factor = chain.number(node.attributes.get("alpha", 1.f));
  const ValueId scaled = chain.add("Mul", {node.input(0), factor});
  chain.add("Add", {scaled, chain.number(node.attributes.get("beta", 0.f))});
  return chain.end();
}

/// `border` is left, top, right, bottom; `scale` the height and width that are kept.
Nodes renew_crop(Node node, Graph& graph) {
  const Ints border = node.attributes.get<Ints>("border");
  const Ints kept = node.attributes.ints("scale");
  const auto fits = [](std::int64_t size) { return size >= 0 && size < std::int64_t{1} << 31; };
  if (border.size() != 4 || (!kept.empty() && kept.size() != 2) ||
      !std::ranges::all_of(border, fits) || !std::ranges::all_of(kept, fits))
    fail(ErrorCode::corrupt_file,
         "Crop: expected a border of 4 sizes and a scale of 2 (node \"{}\")", node.name);
  const auto before_end = [](std::int64_t size) { return size == 0 ? kEnd : -size; };
  Chain chain(node, graph);
  chain.add("Slice", {node.input(0)}, 1);
  chain.attributes().set("axes", Ints{2, 3});
  chain.attributes().set("starts", Ints{border[1], border[0]});
  chain.attributes().set("ends", kept.empty() ? Ints{before_end(border[3]), before_end(border[2])}
                                              : Ints{border[1] + kept[0], border[0] + kept[1]});
  return chain.end();
}

Nodes renew_dynamic_slice(Node node, Graph&) {
  node.op_type = "Slice";
  node.opset = 10;
  return alone(std::move(node));
}

/// x * scale + bias of each channel.
Nodes renew_image_scaler(Node node, Graph& graph) {
  const auto bias = node.attributes.get<std::vector<float>>("bias");
  const Shape channels{static_cast<std::int64_t>(bias.size()), 1, 1};
  Chain chain(node, graph);
  const ValueId scale = chain.number(node.attributes.get("scale", 1.f));
  const ValueId scaled = chain.add("Mul", {node.input(0), scale});
  chain.add("Add", {scaled, chain.constant(Tensor::from(bias, channels))});
  return chain.end();
}

Nodes renew_scale(Node node, Graph& graph) {
  Chain chain(node, graph);
  chain.add("Mul", {node.input(0), chain.number(node.attributes.get("scale", 1.f))});
  return chain.end();
}

/// alpha * function(beta * x).
Nodes scaled_function(const Node& node, Graph& graph, const char* function) {
  Chain chain(node, graph);
  const ValueId alpha = chain.number(node.attributes.get<float>("alpha"));
  const ValueId beta = chain.number(node.attributes.get<float>("beta"));
  const ValueId inner = chain.add("Mul", {node.input(0), beta});
  chain.add("Mul", {chain.add(function, {inner}), alpha});
  return chain.end();
}

Nodes renew_parametric_softplus(Node node, Graph& graph) {
  return scaled_function(node, graph, "Softplus");
}

Nodes renew_scaled_tanh(Node node, Graph& graph) { return scaled_function(node, graph, "Tanh"); }

struct OldForm {
  std::string_view op_type;
  std::int64_t before;  ///< the opset that dropped it
  Nodes (*renew)(Node, Graph&);
};

constexpr OldForm kOldForms[] = {
    {"Add", 7, renew_binary},
    {"Affine", kEnd, renew_affine},
    {"And", 7, renew_binary},
    {"BatchNormalization", 14, renew_batch_norm},
    {"Cast", 6, renew_cast},
    {"Crop", kEnd, renew_crop},
    {"Div", 7, renew_binary},
    {"Dropout", 7, renew_dropout},
    {"DynamicSlice", kEnd, renew_dynamic_slice},
    {"Equal", 7, renew_binary},
    {"Greater", 7, renew_binary},
    {"ImageScaler", kEnd, renew_image_scaler},
    {"Less", 7, renew_binary},
    {"MeanVarianceNormalization", 9, renew_mean_variance_norm},
    {"Mul", 7, renew_binary},
    {"Or", 7, renew_binary},
    {"PRelu", 7, renew_prelu},
    {"Pad", 2, renew_pad},
    {"ParametricSoftplus", kEnd, renew_parametric_softplus},
    {"Pow", 7, renew_binary},
    {"Reshape", 5, renew_reshape},
    {"Scale", kEnd, renew_scale},
    {"ScaledTanh", kEnd, renew_scaled_tanh},
    {"Selu", 6, renew_selu},
    {"Sub", 7, renew_binary},
    {"Tile", 6, renew_tile},
    {"Upsample", 7, renew_upsample},
    {"Xor", 7, renew_binary},
};

}  // namespace

std::vector<Node> renewed(Node node, Graph& graph) {
  const auto* form = std::ranges::find(kOldForms, node.op_type, &OldForm::op_type);
  const bool is_old =
      form != std::end(kOldForms) && node.domain.empty() && node.opset < form->before;
  if (!is_old) return alone(std::move(node));
  Nodes nodes = form->renew(std::move(node), graph);
  for (Node& made : nodes) made.row = find_operator(made);
  return nodes;
}

}  // namespace quern::onnx
