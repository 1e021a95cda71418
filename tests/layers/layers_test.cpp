#include <cmath>
#include <memory>

#include "io/safetensors.h"
#include "kernels/random_weight.h"
#include "layers/layer_golden.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

using namespace quern;

namespace {

Tensor channels_input() {
  Tensor x = hashed_tensor(1, {3, 13});
  for (float& value : x.mutable_data<float>()) value *= 4;
  return x;
}

Weights mlp_weights() {
  return golden_weights(
      {{"0.weight", {13, 7}}, {"0.bias", {13}}, {"2.weight", {5, 13}}, {"2.bias", {5}}});
}

Sequential small_mlp() {
  return Sequential{Linear{7, 13}, Relu{}, Linear{13, 5}, Softmax{{.axis = -1}}};
}

bool same(const Tensor& a, const Tensor& b) { return difference(a, b, 1).empty(); }

}  // namespace

TEST_CASE("an MLP agrees with nn.Sequential") {
  Sequential mlp = small_mlp();
  mlp.load(mlp_weights());
  for (const std::int64_t rows : {1, 3, 33}) {
    check_layer("mlp " + std::to_string(rows), mlp(hashed_tensor(1, {rows, 7})), 13);
  }
}

TEST_CASE("the MLP of a digit classifier loads from a file and gives probabilities") {
  const TemporaryFolder folder;
  std::map<std::string, Tensor> tensors;
  const Weights made = golden_weights(
      {{"0.weight", {256, 784}}, {"0.bias", {256}}, {"2.weight", {10, 256}}, {"2.bias", {10}}});
  for (const std::string& name : made.names()) tensors.emplace(name, made.tensor(name));
  io::write_safetensors(folder.path("mnist.safetensors"), tensors);

  const Tensor x = hashed_tensor(1, {3, 784});
  Sequential mlp{Linear{784, 256}, Relu{}, Linear{256, 10}, Softmax{{.axis = -1}}};
  mlp.load(Weights::open(folder.path("mnist.safetensors")));
  const Tensor p = mlp(x);
  CHECK(p.shape() == Shape{3, 10});
  const int last[] = {-1};
  CHECK(difference(ops::sum(p, last), Tensor::full({3}, 1), 10).empty());
}

TEST_CASE("activations agree with PyTorch's") {
  const Tensor x = channels_input();
  check_layer("ReLU()", Relu{}(x), 1);
  check_layer("LeakyReLU(negative_slope=0.25)", LeakyRelu{0.25f}(x), 1);
  check_layer("GELU(approximate='none')", Gelu{}(x), 1);
  check_layer("GELU(approximate='tanh')", Gelu{ops::GeluForm::tanh}(x), 1);
  check_layer("SiLU()", Silu{}(x), 1);
  check_layer("Sigmoid()", Sigmoid{}(x), 1);
  check_layer("Tanh()", Tanh{}(x), 1);
  check_layer("Softmax(dim=0)", Softmax{{.axis = 0}}(x), 3);
}

TEST_CASE("norms agree with PyTorch's") {
  const Tensor x = channels_input();
  LayerNorm norm{13, {.epsilon = 0.125f}};
  norm.load(golden_weights({{"weight", {13}}, {"bias", {13}}}));
  check_layer("LayerNorm", norm(x), 13);
  LayerNorm plain{13, {.epsilon = 0x1p-17f, .bias = false}};
  plain.load(golden_weights({{"weight", {13}}}));
  check_layer("LayerNorm without bias", plain(x), 13);
  RMSNorm rms{13, 0x1p-17f};
  rms.load(golden_weights({{"weight", {13}}}));
  check_layer("RMSNorm", rms(x), 13);
}

TEST_CASE("an embedding agrees with PyTorch's, and decodes a quantised table") {
  const Tensor ids = Tensor::from({3, 0, 16, 7, 7, 1}, {2, 3});
  Embedding dense{17, 5};
  dense.load(golden_weights({{"weight", {17, 5}}}));
  check_layer("Embedding", dense(ids), 1);
  CHECK(code_of([&] { dense(Tensor::from({17}, {1})); }) == ErrorCode::invalid_argument);

  const auto memory = std::make_shared<RandomWeight>(Encoding::q8_0, DType::f32, 17, 64, 3);
  const auto bytes = static_cast<std::size_t>(17 * kernels::row_bytes(memory->rows()));
  const Weight table(Encoding::q8_0, {17, 64}, {memory->rows().data, bytes}, memory);
  Embedding quantised{17, 64};
  quantised.load(Weights({{"weight", table}}));
  CHECK(same(quantised(ids), ops::gather(Tensor::from(memory->values(), {17, 64}), ids)));
}

TEST_CASE("layers take weights and inputs of every floating dtype") {
  const Tensor x = channels_input();
  for (const DType stored : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
    Linear linear{13, 3, {.accuracy = Accuracy::exact}};
    const Weights weights = golden_weights({{"weight", {3, 13}}, {"bias", {3}}}, stored);
    linear.load(weights);
    const Tensor product =
        ops::matmul(x.cast(DType::f64), weights.get("weight").tensor(DType::f64).transpose(0, 1));
    const Tensor expected = ops::add(product, weights.get("bias").tensor(DType::f64));
    RMSNorm norm{13};
    norm.load(golden_weights({{"weight", {13}}}, stored));
    for (const DType given : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
      CAPTURE(to_string(stored));
      CAPTURE(to_string(given));
      // x is rounded to `given` too.
      const double allowed = tolerance(given == DType::f64 ? DType::f32 : given, 13) * 8;
      const Tensor result = linear(x.cast(given));
      CHECK(result.dtype() == given);
      CHECK(ops::max(ops::abs(ops::sub(result.cast(DType::f64), expected))).item<double>() <=
            allowed * ops::max(ops::abs(expected)).item<double>());
      CHECK(norm(x.cast(given)).dtype() == given);
    }
  }
}

TEST_CASE("Sequential names its layers by their places, those without weights too") {
  Sequential nested{Relu{}, small_mlp()};
  CHECK_NOTHROW(nested.load(golden_weights(
      {{"1.0.weight", {13, 7}}, {"1.0.bias", {13}}, {"1.2.weight", {5, 13}}, {"1.2.bias", {5}}})));
  Sequential grown;
  grown.add(Linear{7, 13});
  grown.add(Tanh{});
  CHECK_NOTHROW(grown.load(mlp_weights()));
  CHECK(same(Sequential{}(channels_input()), channels_input()));
}

TEST_CASE("a load that fails leaves the layer as it was, and its copies as they were") {
  const Tensor x = hashed_tensor(1, {3, 7});
  Sequential mlp = small_mlp();
  mlp.load(mlp_weights());
  const Sequential copy = mlp;
  const Tensor before = mlp(x);
  // The first layer fits, the last does not.
  const Weights wrong = golden_weights(
      {{"0.weight", {13, 7}}, {"0.bias", {13}}, {"2.weight", {5, 12}}, {"2.bias", {5}}});
  CHECK(code_of([&] { mlp.load(wrong); }) == ErrorCode::invalid_argument);
  const Weights missing = golden_weights({{"0.bias", {13}}, {"0.weight", {13, 7}}});
  CHECK(code_of([&] { mlp.load(missing); }) == ErrorCode::not_found);
  CHECK(same(mlp(x), before));

  const Weights other = golden_weights({{"0.weight", {13, 7}},
                                        {"0.bias", {13}},
                                        {"2.weight", {5, 13}},
                                        {"2.bias", {5}},
                                        {"0.a", {1}}});
  mlp.load(other);  // the name before the others shifts their seeds
  CHECK(!same(mlp(x), before));
  CHECK(same(copy(x), before));

  LayerNorm norm{13};
  norm.load(golden_weights({{"weight", {13}}, {"bias", {13}}}));
  const Tensor normal = norm(channels_input());
  CHECK(code_of([&] { norm.load(golden_weights({{"bias", {13}}})); }) == ErrorCode::not_found);
  CHECK(code_of([&] {
          norm.load(golden_weights({{"a", {1}}, {"weight", {13}}, {"bias", {1}}}));
        }) == ErrorCode::invalid_argument);
  CHECK(same(norm(channels_input()), normal));
}

TEST_CASE("layers refuse sizes that make no sense, calls before loading and wrong inputs") {
  CHECK(code_of([] { Linear(0, 3); }) == ErrorCode::invalid_argument);
  CHECK(code_of([] { Embedding(3, -1); }) == ErrorCode::invalid_argument);
  CHECK(code_of([] { LayerNorm(0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([] { RMSNorm(0); }) == ErrorCode::invalid_argument);
  const Tensor x = Tensor::zeros({2, 13});
  CHECK(code_of([&] { Linear(13, 3)(x); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { LayerNorm(13)(x); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { RMSNorm(13)(x); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { Embedding(13, 3)(x); }) == ErrorCode::invalid_argument);
  Linear linear{7, 3};
  linear.load(golden_weights({{"weight", {3, 7}}, {"bias", {3}}}));
  CHECK(code_of([&] { linear(x); }) == ErrorCode::invalid_argument);
}

TEST_CASE("a Linear adds a residual in the same pass") {
  Linear linear{7, 3};
  linear.load(golden_weights({{"weight", {3, 7}}, {"bias", {3}}}));
  for (const std::int64_t rows : {2, 33}) {
    const Tensor x = hashed_tensor(1, {rows, 7});
    const Tensor residual = hashed_tensor(2, {rows, 3});
    const std::string wrong = difference(linear(x, residual), ops::add(linear(x), residual), 7);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}
