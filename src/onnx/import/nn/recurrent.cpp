#include <algorithm>

#include "onnx/import/import.h"
#include "ops/packed_recurrent.h"
#include "quern/ops.h"
#include "quern/ops/recurrent.h"

namespace quern::onnx {
namespace {

using ops::PackedRecurrent;
using ops::RecurrentFunction;
using Kind = RecurrentFunction::Kind;

/// A function under its name in the standard, with what it takes where the node does not say.
struct NamedFunction {
  std::string_view name;  ///< in lower case: files disagree
  RecurrentFunction usual;
  int parameters;
};

constexpr NamedFunction kFunctions[] = {
    {"affine", {Kind::affine, 1.f, 0.f}, 2},
    {"elu", {Kind::elu, 1.f, 0.f}, 1},
    {"hardsigmoid", {Kind::hard_sigmoid, 0.2f, 0.5f}, 2},
    {"leakyrelu", {Kind::leaky_relu, 0.01f, 0.f}, 1},
    {"relu", {Kind::relu, 0.f, 0.f}, 0},
    {"scaledtanh", {Kind::scaled_tanh, 1.f, 1.f}, 2},
    {"sigmoid", {Kind::sigmoid, 0.f, 0.f}, 0},
    {"softplus", {Kind::softplus, 0.f, 0.f}, 0},
    {"softsign", {Kind::softsign, 0.f, 0.f}, 0},
    {"tanh", {Kind::tanh, 0.f, 0.f}, 0},
    {"thresholdedrelu", {Kind::thresholded_relu, 1.f, 0.f}, 1},
};

const NamedFunction& function_named(std::string name) {
  std::ranges::transform(name, name.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  });
  const auto* found = std::ranges::find(kFunctions, name, &NamedFunction::name);
  if (found != std::end(kFunctions)) return *found;
  std::string known;
  for (const NamedFunction& function : kFunctions)
    known += (known.empty() ? "" : ", ") + std::string(function.name);
  fail(ErrorCode::corrupt_file, "unknown activation \"{}\"; known: {}", name, known);
}

/// Each function takes its parameters from the front of what the node gives.
std::vector<RecurrentFunction> functions_of(const Node& node) {
  const auto names = node.attributes.find<std::vector<std::string>>("activations");
  const auto floats = [&](std::string_view name) {
    return node.attributes.find<std::vector<float>>(name).value_or(std::vector<float>{});
  };
  const std::vector<float> alphas = floats("activation_alpha");
  const std::vector<float> betas = floats("activation_beta");
  std::size_t alpha = 0, beta = 0;
  std::vector<RecurrentFunction> functions;
  for (const std::string& name : names.value_or(std::vector<std::string>{})) {
    const NamedFunction named = function_named(name);
    RecurrentFunction function = named.usual;
    if (named.parameters > 0 && alpha < alphas.size()) function.alpha = alphas[alpha++];
    if (named.parameters > 1 && beta < betas.size()) function.beta = betas[beta++];
    functions.push_back(function);
  }
  return functions;
}

ops::Direction direction_of(const Node& node) {
  const std::string name = node.attributes.get("direction", "forward");
  if (name == "forward") return ops::Direction::forward;
  if (name == "reverse") return ops::Direction::reverse;
  if (name == "bidirectional") return ops::Direction::bidirectional;
  fail(ErrorCode::corrupt_file, "direction is \"{}\"; known: forward, reverse, bidirectional",
       name);
}

/// Blocks of `x` along axis 1, `order` of them, in another order.
Tensor reordered(const Tensor& x, std::span<const int> order) {
  const auto count = static_cast<std::int64_t>(order.size());
  require(x.rank() >= 2 && x.dim(1) % count == 0, "{} do not divide {} gates", to_string(x.shape()),
          count);
  const std::int64_t size = x.dim(1) / count;
  std::vector<Tensor> blocks;
  for (const int block : order) blocks.push_back(x.slice(1, block * size, (block + 1) * size));
  return ops::concat(blocks, 1);
}

/// What RNN, GRU and LSTM share: their weights with the gates in the order of quern::ops, kept
/// where they are constant, and the axes of `layout`.
class Recurrent : public Kernel {
 protected:
  Recurrent(const Node& node, const ImportContext& context, PackedRecurrent::Cell cell,
            std::vector<int> order)
      : cell_(cell),
        order_(std::move(order)),
        batch_first_(node.attributes.get("layout", std::int64_t{0}) != 0) {
    options_.direction = direction_of(node);
    options_.clip = node.attributes.get("clip", 0.f);
    options_.functions = functions_of(node);
    const Tensor* input = context.graph.constant(node.input(1));
    const Tensor* recurrent = context.graph.constant(node.input(2));
    const Tensor* bias = context.graph.constant(node.input(3));
    if (input != nullptr && recurrent != nullptr && (bias != nullptr || !node.has_input(3)))
      constant_ = pack(*input, *recurrent, bias ? std::optional(*bias) : std::nullopt,
                       recurrent->dtype() == DType::f64);
  }

  PackedRecurrent weights(const Inputs& in) const {
    const bool wide = in[0].dtype() == DType::f64;
    if (constant_ && constant_->is_wide() == wide) return *constant_;
    return pack(in[1], in[2], in.find(3), wide);
  }
  ops::RecurrentOptions options(const Inputs& in) const {
    ops::RecurrentOptions options = options_;
    options.lengths = in.find(4);
    return options;
  }
  Tensor source(const Inputs& in) const {
    require(in[0].rank() == 3, "expected a source of rank 3, got {}", to_string(in[0].shape()));
    return batch_first_ ? in[0].transpose(0, 1) : in[0];
  }
  std::optional<Tensor> state(const Inputs& in, std::size_t index) const {
    const std::optional<Tensor> given = in.find(index);
    return given && batch_first_ ? std::optional(given->transpose(0, 1)) : given;
  }
  void set_state(Outputs& out, std::size_t index, const Tensor& state) const {
    out.set(index, batch_first_ ? state.transpose(0, 1) : state);
  }
  void set_states(Outputs& out, const Tensor& y) const {
    out.set(0, batch_first_ ? y.permute({2, 0, 1, 3}) : y);
  }

 private:
  PackedRecurrent pack(const Tensor& input, const Tensor& recurrent,
                       const std::optional<Tensor>& bias, bool wide) const {
    const auto packed = [&](const ops::RecurrentWeights& weights) {
      return PackedRecurrent(cell_, weights, options_.direction, wide);
    };
    ops::RecurrentWeights weights{.input = reordered(input, order_),
                                  .recurrent = reordered(recurrent, order_)};
    if (!bias) return packed(weights);
    require(bias->rank() == 2 && bias->dim(1) % 2 == 0, "a bias of shape {}",
            to_string(bias->shape()));
    const std::int64_t half = bias->dim(1) / 2;
    weights.input_bias = reordered(bias->slice(1, 0, half), order_);
    weights.recurrent_bias = reordered(bias->slice(1, half, 2 * half), order_);
    return packed(weights);
  }

  PackedRecurrent::Cell cell_;
  std::vector<int> order_;
  bool batch_first_;
  ops::RecurrentOptions options_;
  std::optional<PackedRecurrent> constant_;
};

class Rnn final : public Recurrent {
 public:
  Rnn(const Node& node, const ImportContext& context)
      : Recurrent(node, context, PackedRecurrent::Cell::rnn, {0}) {}

  void run(const Inputs& in, Outputs& out) const override {
    const auto result = ops::rnn(source(in), weights(in), state(in, 5), options(in));
    set_states(out, result.y);
    set_state(out, 1, result.h);
  }
};

class Gru final : public Recurrent {
 public:
  Gru(const Node& node, const ImportContext& context)
      : Recurrent(node, context, PackedRecurrent::Cell::gru, {1, 0, 2}),
        reset_(node.attributes.get("linear_before_reset", std::int64_t{0}) != 0
                   ? ops::GruReset::after_product
                   : ops::GruReset::before_product) {}

  void run(const Inputs& in, Outputs& out) const override {
    const auto result = ops::gru(source(in), weights(in), state(in, 5), options(in), reset_);
    set_states(out, result.y);
    set_state(out, 1, result.h);
  }

 private:
  ops::GruReset reset_;
};

class Lstm final : public Recurrent {
 public:
  Lstm(const Node& node, const ImportContext& context)
      : Recurrent(node, context, PackedRecurrent::Cell::lstm, {0, 2, 3, 1}),
        coupled_(node.attributes.get("input_forget", std::int64_t{0}) != 0) {}

  void run(const Inputs& in, Outputs& out) const override {
    ops::LstmOptions settings{.common = options(in), .coupled = coupled_};
    constexpr int kPeepholes[] = {0, 2, 1};
    if (in.has(7)) settings.peepholes = reordered(in[7], kPeepholes);
    const auto result =
        ops::lstm(source(in), weights(in), {.h = state(in, 5), .c = state(in, 6)}, settings);
    set_states(out, result.y);
    set_state(out, 1, result.h);
    set_state(out, 2, result.c);
  }

 private:
  bool coupled_;
};

// clang-format off
constexpr Operator kRecurrentOperators[] = {
    {.op_type = "GRU", .inputs = {3, 6}, .import = make<Gru>,
     .mapping = {.shapes = kSame, .rows = follow_recurrent}},
    {.op_type = "LSTM", .inputs = {3, 8}, .import = make<Lstm>,
     .mapping = {.shapes = kSame, .rows = follow_recurrent}},
    {.op_type = "RNN", .inputs = {3, 6}, .import = make<Rnn>,
     .mapping = {.shapes = kSame, .rows = follow_recurrent}},
};
// clang-format on

}  // namespace

OperatorTable recurrent_operators() { return kRecurrentOperators; }

}  // namespace quern::onnx
