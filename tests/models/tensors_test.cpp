#include "models/source/tensors.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "models/parts/linear.h"
#include "models/source/settings.h"
#include "support/error_code.h"

using namespace quern;
using namespace quern::models;

namespace {

ModelSource folder_with(std::map<std::string, Weight> weights, const char* config = "{}") {
  return {.path = "",
          .weights = Weights(std::move(weights)),
          .gguf = {},
          .config = io::parse_json(config, "config.json")};
}

Tensor counted(const Shape& shape) {
  Tensor tensor = Tensor::empty(shape);
  float next = 0;
  for (float& value : tensor.mutable_data<float>()) value = next++;
  return tensor;
}

}  // namespace

TEST_CASE("a tensor is found under whatever name its family gives it") {
  const ModelSource source = folder_with({{"transformer.wte.weight", counted({4, 2})},
                                          {"transformer.h.1.ln_1.weight", counted({2})},
                                          {"transformer.h.1.ln_1.bias", counted({2})},
                                          {"transformer.h.1.own.name.weight", counted({3})}});
  const Tensors tensors(source, Accuracy::fast, {{.name = "attn_q", .hugging_face = "own.name"}});
  CHECK(tensors.get("token_embd").shape() == Shape{4, 2});
  CHECK(tensors.layer(1).has("attn_norm", "bias"));
  CHECK(!tensors.layer(0).has("attn_norm"));
  CHECK(tensors.layer(1).view("attn_norm", true).full_name("bias") == "transformer.h.1.ln_1.bias");
  CHECK(tensors.layer(1).get("attn_q").shape() == Shape{3});
  CHECK(code_of([&] { (void)tensors.get("output"); }) == ErrorCode::not_found);
}

TEST_CASE("rows of one tensor are products of their own, with their part of its bias") {
  const ModelSource source =
      folder_with({{"model.layers.0.self_attn.qkv_proj.weight", counted({6, 2})},
                   {"model.layers.0.self_attn.qkv_proj.bias", counted({6})}});
  const Tensors layer = Tensors(source, Accuracy::exact).layer(0);
  const RowRange ranges[] = {{0, 1, 3}, {4, 2}};
  const auto linears = load_rows(layer, "attn_qkv", 2, 6, ranges, true);
  const Tensor x = Tensor::from({1.f, 10.f}, {1, 2});
  const auto values = [&](const Linear& linear) {
    const Tensor y = linear(x);
    return std::vector<float>(y.data<float>().begin(), y.data<float>().end());
  };
  // Rows 0 and 3 of {0, 1}, {2, 3}, ..., then 4 and 5.
  CHECK(values(linears[0]) == std::vector<float>{10 + 0, 76 + 3});
  CHECK(values(linears[1]) == std::vector<float>{98 + 4, 120 + 5});
  CHECK(code_of([&] { load_rows(layer, "attn_qkv", 2, 7, ranges, true); }) ==
        ErrorCode::invalid_argument);
}

TEST_CASE("settings are those of config.json, else what the family says") {
  const ModelSource source =
      folder_with({}, R"({"n_embd": 8, "num_key_value_heads": null, "n_head": 4, "head_dim": [2, 3],
              "model_type": "some"})");
  const Settings settings(source, R"({"num_key_value_heads": 2, "rms_norm_eps": 0.5})");
  CHECK(settings.size(setting::hidden_size) == 8);
  CHECK(settings.size_or(setting::kv_heads, 4) == 4);
  CHECK(settings.mentions(setting::kv_heads));
  CHECK(!settings.has(setting::kv_heads));
  CHECK(settings.number(setting::rms_epsilon) == 0.5);
  CHECK(settings.largest(setting::head_dim) == 3);
  CHECK(settings.size_of_each(setting::head_dim, 2) == std::vector<std::int64_t>{2, 3});
  CHECK(settings.size_of_all(setting::heads, 2) == 4);
  CHECK(code_of([&] { (void)settings.size_of_all(setting::head_dim, 2); }) ==
        ErrorCode::unsupported);
  CHECK(code_of([&] { (void)settings.size_of_each(setting::head_dim, 3); }) ==
        ErrorCode::corrupt_file);
  CHECK(code_of([&] { (void)settings.size(setting::layers); }) == ErrorCode::corrupt_file);
  CHECK_NOTHROW(settings.expect_type("some"));
  CHECK(code_of([&] { settings.expect_type("other"); }) == ErrorCode::unsupported);
}
