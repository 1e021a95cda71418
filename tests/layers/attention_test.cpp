#include "layers/layer_golden.h"
#include "support/error_code.h"

using namespace quern;

namespace {

// Sums of 24 by the projections on both sides of the attention.
constexpr std::int64_t kTerms = 24 * 24;

std::map<std::string, Shape> projections(std::int64_t kv_dim, bool bias) {
  std::map<std::string, Shape> shapes{{"q_proj.weight", {24, 24}},
                                      {"k_proj.weight", {kv_dim, 24}},
                                      {"v_proj.weight", {kv_dim, 24}},
                                      {"o_proj.weight", {24, 24}}};
  if (bias) {
    shapes.insert({{"q_proj.bias", {24}},
                   {"k_proj.bias", {kv_dim}},
                   {"v_proj.bias", {kv_dim}},
                   {"o_proj.bias", {24}}});
  }
  return shapes;
}

}  // namespace

TEST_CASE("attention with a joined projection agrees with nn.MultiheadAttention") {
  const Tensor x = hashed_tensor(1, {2, 7, 24});
  MultiHeadAttention attention{24, 3};
  attention.load(golden_weights({{"in_proj_weight", {72, 24}},
                                 {"in_proj_bias", {72}},
                                 {"out_proj.weight", {24, 24}},
                                 {"out_proj.bias", {24}}}));
  check_layer("joined attention", attention(x), kTerms);
  MultiHeadAttention causal{24, 3, {.causal = true, .bias = false}};
  causal.load(golden_weights({{"in_proj_weight", {72, 24}}, {"out_proj.weight", {24, 24}}}));
  check_layer("joined attention, causal, without bias", causal(x), kTerms);
}

TEST_CASE("attention with four projections and grouped heads agrees with PyTorch") {
  const Tensor x = hashed_tensor(1, {2, 7, 24});
  MultiHeadAttention full{24, 4};
  full.load(golden_weights(projections(24, true)));
  check_layer("attention 4", full(x), kTerms);
  MultiHeadAttention grouped{24, 4, {.kv_heads = 2, .causal = true, .bias = false}};
  grouped.load(golden_weights(projections(12, false)));
  check_layer("attention 2", grouped(x), kTerms);
  MultiHeadAttention windowed{24, 4, {.kv_heads = 1, .causal = true, .window = 3}};
  windowed.load(golden_weights(projections(6, true)));
  check_layer("attention 1", windowed(x), kTerms);
}

TEST_CASE("attention refuses sizes and weights that do not fit, and keeps those it has") {
  CHECK(code_of([] { MultiHeadAttention(24, 5); }) == ErrorCode::invalid_argument);
  CHECK(code_of([] { MultiHeadAttention(24, 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([] { MultiHeadAttention(24, 4, {.kv_heads = 3}); }) == ErrorCode::invalid_argument);
  const Tensor x = hashed_tensor(1, {2, 7, 24});
  MultiHeadAttention attention{24, 4};
  CHECK(code_of([&] { attention(x); }) == ErrorCode::invalid_argument);
  attention.load(golden_weights(projections(24, true)));
  const Tensor before = attention(x);
  auto shapes = projections(24, true);
  shapes.erase("o_proj.bias");
  CHECK(code_of([&] { attention.load(golden_weights(shapes)); }) == ErrorCode::not_found);
  CHECK(code_of([&] { attention.load(golden_weights(projections(12, true))); }) ==
        ErrorCode::invalid_argument);
  CHECK(difference(attention(x), before, 1).empty());
  CHECK(code_of([&] { attention(Tensor::zeros({2, 7, 23})); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { attention(Tensor::zeros({7, 24})); }) == ErrorCode::invalid_argument);
}
