#include "layers/layer_golden.h"
#include "quern/layers/recurrent.h"
#include "support/error_code.h"

using namespace quern;

namespace {

/// As golden_weights, and the positive variances of network_layers_goldens.py.
Weights network_weights(const std::map<std::string, Shape>& shapes, DType dtype = DType::f32) {
  const Weights plain = golden_weights(shapes);
  std::map<std::string, Weight> weights;
  for (const std::string& name : plain.names()) {
    Tensor values = plain.tensor(name).clone();
    if (name.ends_with("running_var")) {
      for (float& value : values.mutable_data<float>()) value += 1;
    }
    weights.emplace(name, values.cast(dtype));
  }
  return Weights(std::move(weights));
}

void check(const std::string& golden, const Tensor& result, std::int64_t terms) {
  check_layer(golden, result, terms, "network_layers_goldens");
}

template <class Layer>
Layer loaded(Layer layer, const std::map<std::string, Shape>& shapes) {
  layer.load(network_weights(shapes));
  return layer;
}

std::map<std::string, Shape> recurrent_shapes(std::int64_t gates, std::int64_t in,
                                              std::int64_t hidden, int layers = 1,
                                              bool both = false, bool bias = true) {
  std::map<std::string, Shape> shapes;
  for (int layer = 0; layer < layers; ++layer) {
    for (const char* direction : {"", "_reverse"}) {
      if (!both && *direction != 0) continue;
      const std::string suffix = "_l" + std::to_string(layer) + direction;
      const std::int64_t width = layer == 0 ? in : hidden * (both ? 2 : 1);
      shapes["weight_ih" + suffix] = {gates * hidden, width};
      shapes["weight_hh" + suffix] = {gates * hidden, hidden};
      if (!bias) continue;
      shapes["bias_ih" + suffix] = {gates * hidden};
      shapes["bias_hh" + suffix] = {gates * hidden};
    }
  }
  return shapes;
}

void check_states(const std::string& golden, const RecurrentOutput& output) {
  check(golden, output.y, 40);
  check(golden + " h", output.state.h, 40);
  if (golden.starts_with("LSTM")) check(golden + " c", output.state.c, 40);
}

}  // namespace

TEST_CASE("convolutional layers agree with PyTorch's") {
  const Conv1d conv1 = loaded(Conv1d{3, 5, {3}, {.stride = {2}, .padding = {1}, .dilation = {2}}},
                              {{"weight", {5, 3, 3}}, {"bias", {5}}});
  check("Conv1d", conv1(hashed_tensor(1, {2, 3, 13})), 9);
  const Conv2d conv2 =
      loaded(Conv2d{4, 6, {3, 2}, {.stride = {2, 1}, .padding = {1, 0}, .groups = 2}},
             {{"weight", {6, 2, 3, 2}}, {"bias", {6}}});
  check("Conv2d", conv2(hashed_tensor(1, {2, 4, 7, 9})), 12);
  const Conv2d plain = loaded(Conv2d{3, 7, {3}, {.bias = false}}, {{"weight", {7, 3, 3, 3}}});
  check("Conv2d without bias", plain(hashed_tensor(1, {1, 3, 5, 5})), 27);
  const Conv3d conv3 = loaded(Conv3d{2, 3, {2, 3, 3}, {.padding = {0, 1, 1}}},
                              {{"weight", {3, 2, 2, 3, 3}}, {"bias", {3}}});
  check("Conv3d", conv3(hashed_tensor(1, {1, 2, 3, 5, 7})), 36);
  const ConvTranspose2d up =
      loaded(ConvTranspose2d{4, 6, {3}, {.stride = {2}, .padding = {1}, .groups = 2}, {1}},
             {{"weight", {4, 3, 3, 3}}, {"bias", {6}}});
  check("ConvTranspose2d", up(hashed_tensor(1, {1, 4, 5, 3})), 18);
}

TEST_CASE("pooling layers agree with PyTorch's") {
  const Tensor x = hashed_tensor(1, {2, 3, 9, 7});
  check("MaxPool", MaxPool{{3}, {.stride = {2}, .padding = {1}}}(x), 1);
  check("MaxPool dilated", MaxPool{{2, 3}, {.ceil_mode = true}, {2, 1}}(x), 1);
  check("AvgPool", AvgPool{{3}, {.stride = {2}, .padding = {1}}}(x), 9);
  check("AvgPool of elements", AvgPool{{2}, {.ceil_mode = true}, ops::AverageOver::elements}(x), 4);
  check("AdaptiveAvgPool2d", AdaptiveAvgPool2d{{4, 3}}(x), 12);
  const int places[] = {2, 3};
  CHECK(difference(GlobalAvgPool{}(x), ops::mean(x, places, true), 63).empty());
}

TEST_CASE("norms over channels agree with PyTorch's") {
  const Tensor x = hashed_tensor(1, {2, 3, 9, 7});
  const std::map<std::string, Shape> affine{{"weight", {3}}, {"bias", {3}}};
  check("BatchNorm",
        loaded(BatchNorm{3, {.epsilon = 0x1p-10f}},
               {{"weight", {3}}, {"bias", {3}}, {"running_mean", {3}}, {"running_var", {3}}})(x),
        3);
  check("BatchNorm of rows",
        loaded(BatchNorm{13, {.affine = false}},
               {{"running_mean", {13}}, {"running_var", {13}}})(hashed_tensor(1, {5, 13})),
        3);
  check("GroupNorm",
        loaded(GroupNorm{3, 6}, {{"weight", {6}}, {"bias", {6}}})(hashed_tensor(1, {2, 6, 5, 7})),
        70);
  check("InstanceNorm", InstanceNorm{3}(x), 63);
  check("InstanceNorm affine", loaded(InstanceNorm{3, {.affine = true}}, affine)(x), 63);
}

TEST_CASE("an embedding bag agrees with PyTorch's") {
  using Mode = EmbeddingBag::Mode;
  const Tensor ids = Tensor::from({3, 0, 16, 7, 7, 1, 2}, {7});
  for (const auto& [name, mode] :
       {std::pair{"sum", Mode::sum}, {"mean", Mode::mean}, {"max", Mode::max}}) {
    const EmbeddingBag bag = loaded(EmbeddingBag{17, 5, mode}, {{"weight", {17, 5}}});
    const std::string golden = std::string("EmbeddingBag ") + name;
    check(golden, bag(ids.slice(0, 0, 6).reshape({2, 3})), 3);
    check(golden + " offsets", bag(ids, Tensor::from({0, 3, 3, 4}, {4})), 3);
    CHECK(code_of([&] { bag(ids, Tensor::from({0, 4, 3}, {3})); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { bag(ids, Tensor::from({1, 4}, {2})); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { bag(ids, Tensor::from({0, 8}, {2})); }) == ErrorCode::invalid_argument);
  }
}

TEST_CASE("recurrent layers agree with PyTorch's, in depth and in both directions") {
  const Tensor x = hashed_tensor(1, {5, 3, 7});
  check_states("RNN", loaded(RNN{7, 13}, recurrent_shapes(1, 7, 13)).run(x));
  check_states("RNN relu", loaded(RNN{7, 13, {.bias = false}, RNN::Nonlinearity::relu},
                                  recurrent_shapes(1, 7, 13, 1, false, false))
                               .run(x));
  const GRU gru = loaded(GRU{7, 13}, recurrent_shapes(3, 7, 13));
  check_states("GRU", gru.run(x));
  const LSTM lstm = loaded(LSTM{7, 13}, recurrent_shapes(4, 7, 13));
  check_states("LSTM", lstm.run(x));
  CHECK(difference(lstm(x), lstm.run(x).y, 1).empty());
  check_states("GRU deep",
               loaded(GRU{7, 5, {.layers = 2, .bidirectional = true, .batch_first = true}},
                      recurrent_shapes(3, 7, 5, 2, true))
                   .run(x));
  check_states("LSTM deep", loaded(LSTM{7, 5, {.layers = 3, .bidirectional = true}},
                                   recurrent_shapes(4, 7, 5, 3, true))
                                .run(x));
  const RecurrentState state{hashed_tensor(2, {1, 3, 13}), hashed_tensor(3, {1, 3, 13})};
  check_states("GRU from a state", gru.run(x, state));
  check_states("LSTM from a state", lstm.run(x, state));
}

TEST_CASE("a convolutional network agrees with nn.Sequential") {
  Sequential network{Conv2d{1, 8, {3}, {.padding = {1}}},
                     BatchNorm{8},
                     Relu{},
                     MaxPool{{2}},
                     Dropout{},
                     Conv2d{8, 13, {3}},
                     Relu{},
                     AdaptiveAvgPool2d{{1}},
                     Flatten{},
                     Linear{13, 5}};
  network.load(network_weights({{"0.weight", {8, 1, 3, 3}},
                                {"0.bias", {8}},
                                {"1.weight", {8}},
                                {"1.bias", {8}},
                                {"1.running_mean", {8}},
                                {"1.running_var", {8}},
                                {"5.weight", {13, 8, 3, 3}},
                                {"5.bias", {13}},
                                {"9.weight", {5, 13}},
                                {"9.bias", {5}}}));
  check("CNN", network(hashed_tensor(1, {3, 1, 13, 11})), 72);
}

TEST_CASE("layers of networks take weights and inputs of every floating dtype") {
  const std::map<std::string, Shape> conv_shapes{{"weight", {5, 3, 3}}, {"bias", {5}}};
  const Tensor x = hashed_tensor(1, {2, 3, 13});
  for (const DType stored : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
    for (const DType given : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
      CAPTURE(to_string(stored));
      CAPTURE(to_string(given));
      const Weights weights = network_weights(conv_shapes, stored);
      Conv1d conv{3, 5, {3}};
      conv.load(weights);
      const Tensor result = conv(x.cast(given));
      CHECK(result.dtype() == given);
      const Tensor expected =
          ops::conv(x.cast(given).cast(DType::f64), weights.get("weight").tensor(DType::f64),
                    weights.get("bias").tensor(DType::f64));
      // The weights are rounded to what is computed in.
      const double allowed = 4 * tolerance(given == DType::bf16 ? given : DType::f16, 9);
      const Tensor error = ops::abs(ops::sub(result.cast(DType::f64), expected));
      CHECK(ops::max(error).item<double>() <= allowed);
      GRU gru{13, 3};
      gru.load(network_weights(recurrent_shapes(3, 13, 3), stored));
      CHECK(gru(x.cast(given)).dtype() == given);
    }
  }
}

TEST_CASE("layers of networks refuse sizes that make no sense, wrong inputs and early calls") {
  const auto invalid = ErrorCode::invalid_argument;
  CHECK(code_of([] { Conv2d(0, 3, {3}); }) == invalid);
  CHECK(code_of([] { Conv2d(3, 3, {}); }) == invalid);
  CHECK(code_of([] { Conv2d(3, 3, {3, 3, 3}); }) == invalid);
  CHECK(code_of([] { Conv2d(3, 3, {0}); }) == invalid);
  CHECK(code_of([] { Conv2d(3, 4, {3}, {.groups = 2}); }) == invalid);
  CHECK(code_of([] { GroupNorm(2, 3); }) == invalid);
  CHECK(code_of([] { BatchNorm(0); }) == invalid);
  CHECK(code_of([] { EmbeddingBag(0, 3); }) == invalid);
  CHECK(code_of([] { LSTM(3, 0); }) == invalid);
  const Tensor x = Tensor::zeros({2, 3, 5, 5});
  CHECK(code_of([&] { Conv2d(3, 3, {3})(x); }) == invalid);
  CHECK(code_of([&] { BatchNorm(3)(x); }) == invalid);
  CHECK(code_of([&] { GroupNorm(1, 3)(x); }) == invalid);
  CHECK(code_of([&] { GRU(5, 3)(x); }) == invalid);
  CHECK(code_of([&] { MaxPool({2, 2, 2})(x); }) == invalid);
  CHECK(code_of([&] { AvgPool({2})(Tensor::zeros({2, 3})); }) == invalid);
  CHECK(code_of([&] { Flatten(4)(x); }) == invalid);
  const Conv2d conv = loaded(Conv2d{3, 7, {3}, {.bias = false}}, {{"weight", {7, 3, 3, 3}}});
  CHECK(code_of([&] { conv(Tensor::zeros({1, 4, 5, 5})); }) == invalid);
  CHECK(code_of([&] { conv(Tensor::zeros({1, 3, 2, 5})); }) == invalid);
  const GRU gru = loaded(GRU{7, 13}, recurrent_shapes(3, 7, 13));
  CHECK(code_of([&] { gru(Tensor::zeros({5, 3, 6})); }) == invalid);
  CHECK(code_of([&] {
          gru.run(Tensor::zeros({5, 3, 7}), RecurrentState{Tensor::zeros({1, 2, 13}), {}});
        }) == invalid);
}
