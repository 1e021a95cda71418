#include <doctest/doctest.h>

#include <future>
#include <vector>

#include "quern/onnx.h"
#include "serve/infer/batcher.h"
#include "serve/running_server.h"

namespace quern::serve {
namespace {

using Json = nlohmann::json;

onnx::Model affine() { return onnx::Model::load("tests/data/serve/affine.onnx"); }

Json input(const Json& more = Json::object()) {
  Json tensor{{"name", "x"}, {"shape", {2, 3}}, {"datatype", "FP32"}, {"data", {1, 0, 0, 0, 1, 1}}};
  tensor.update(more);
  return {{"inputs", {tensor}}};
}

struct InferServer : RunningServer {
  InferServer() { server().add("affine", affine()); }
};

Tensor rows(std::int64_t count, float first) {
  Tensor tensor = Tensor::zeros({count, 3});
  for (std::int64_t i = 0; i < count; ++i)
    tensor.mutable_at<float>({i, 0}) = first + static_cast<float>(i);
  return tensor;
}

}  // namespace

TEST_CASE("the server and its models describe themselves") {
  InferServer server;
  CHECK(server.get("/v2").json()["name"] == "quern");
  CHECK(server.get("/v2/health/live").status == 200);
  CHECK(server.get("/v2/health/ready").status == 200);
  CHECK(server.get("/v2/models/affine/ready").json()["ready"] == true);
  const Json model = server.get("/v2/models/affine").json();
  CHECK(model["platform"] == "onnx");
  CHECK(model["inputs"] == Json{{{"name", "x"}, {"datatype", "FP32"}, {"shape", {-1, 3}}}});
  CHECK(model["outputs"].size() == 2);
  CHECK(server.get("/v2/models/other").status == 404);
  CHECK(server.get("/v2/models/story/ready").status == 404);
}

TEST_CASE("a model is run on tensors in JSON, flat or nested") {
  InferServer server;
  const Json flat = server.post("/v2/models/affine/infer", input({{"name", "x"}})).json();
  Json y = flat["outputs"][1];
  CHECK(
      y ==
      Json{{"name", "y"}, {"datatype", "FP32"}, {"shape", {2, 2}}, {"data", {1.5, 1.5, 8.5, 9.5}}});
  CHECK(flat["outputs"][0]["name"] == "square");
  CHECK(flat["outputs"][0]["data"] == Json{2.25, 2.25, 72.25, 90.25});
  const Json nested =
      server.post("/v2/models/affine/infer", input({{"data", {{1, 0, 0}, {0, 1, 1}}}})).json();
  CHECK(nested["outputs"] == flat["outputs"]);
}

TEST_CASE("a request's id comes back, with the outputs it asks for alone") {
  InferServer server;
  Json body = input();
  body["id"] = "mine";
  body["outputs"] = {{{"name", "square"}}};
  const Json answer = server.post("/v2/models/affine/infer", body).json();
  CHECK(answer["id"] == "mine");
  CHECK(answer["model_name"] == "affine");
  REQUIRE(answer["outputs"].size() == 1);
  CHECK(answer["outputs"][0]["name"] == "square");
}

TEST_CASE("a wrong tensor is named") {
  InferServer server;
  const std::vector<std::pair<Json, std::string>> cases{
      {{{"datatype", "FP33"}}, "inputs[0].datatype"},
      {{{"datatype", 5}}, "inputs[0].datatype"},
      {{{"shape", {2, 4}}}, "inputs[0].shape"},
      {{{"shape", {2, 2}}}, "inputs[0].data"},
      {{{"shape", {-2, -3}}}, "inputs[0].shape"},
      {{{"shape", {4294967296, 4294967296}}}, "inputs[0].shape"},
      {{{"shape", "x"}}, "inputs[0].shape"},
      {{{"data", {1, 0, 0, 0, 1, "x"}}}, "inputs[0].data"},
      {{{"data", 5}}, "inputs[0].data"},
      {{{"datatype", "INT8"}, {"data", {1, 0, 0, 0, 1, 128}}}, "inputs[0].data"},
      {{{"datatype", "UINT8"}, {"data", {1, 0, 0, 0, 1, -1}}}, "inputs[0].data"},
      {{{"datatype", "INT64"}}, "inputs"},
      {{{"name", "z"}}, "inputs"},
      {{{"shape", {3, 2}}}, "inputs"},
      {{{"colour", 1}}, "inputs[0].colour"},
  };
  for (const auto& [more, param] : cases) {
    const std::string wrong = more.dump();
    CAPTURE(wrong);
    const Answer answer = server.post("/v2/models/affine/infer", input(more));
    CHECK(answer.status == 400);
    CHECK(answer.json()["error"]["param"] == param);
  }
  CHECK(server.post("/v2/models/affine/infer", Json::object()).json()["error"]["param"] ==
        "inputs");
}

TEST_CASE("requests that wait together are run as one, and get their own rows") {
  Batcher batcher(affine(), {.max_batch = 6, .max_delay = std::chrono::minutes{1}});
  REQUIRE(batcher.batches());
  std::vector<std::future<onnx::Values>> results;
  for (int i = 0; i < 3; ++i) {  // 1 + 2 + 3 rows fill a batch
    results.push_back(std::async(std::launch::async, [&batcher, i] {
      return batcher.run({{"x", rows(i + 1, static_cast<float>(10 * i))}});
    }));
  }
  for (int i = 0; i < 3; ++i) {
    const Tensor y = results[static_cast<std::size_t>(i)].get().at("y");
    REQUIRE(y.shape() == Shape{i + 1, 2});
    for (std::int64_t row = 0; row <= i; ++row) {
      CHECK(y.at<float>({row, 0}) == static_cast<float>(10 * i + row) + 0.5f);
    }
  }
  CHECK(batcher.runs() == 1);
}

TEST_CASE("requests to a model that mixes rows are run alone, unless it is said not to") {
  const onnx::Model mixing = onnx::Model::load("tests/data/serve/mixing.onnx");
  Batcher alone(mixing, {.max_batch = 2, .max_delay = std::chrono::minutes{1}});
  CHECK_FALSE(alone.batches());
  auto other = std::async(std::launch::async, [&] { return alone.run({{"x", rows(1, 100)}}); });
  CHECK(alone.run({{"x", rows(1, 3)}}).at("y").tensor().at<float>({0, 0}) == 3.f);
  CHECK(other.get().at("y").tensor().at<float>({0, 0}) == 100.f);
  const Batcher told(mixing, {.rows_are_independent = true});
  CHECK(told.batches());
}

TEST_CASE("a request alone waits no longer than the delay, and a large one not at all") {
  Batcher batcher(affine(), {.max_batch = 4, .max_delay = std::chrono::milliseconds{1}});
  CHECK(batcher.run({{"x", rows(1, 0)}}).at("y").tensor().dim(0) == 1);
  CHECK(batcher.run({{"x", rows(9, 0)}}).at("y").tensor().dim(0) == 9);
  CHECK(batcher.runs() == 2);
}

TEST_CASE("a wrong request does not fail those it is run with") {
  Batcher batcher(affine(), {.max_batch = 2, .max_delay = std::chrono::seconds{1}});
  auto wrong = std::async(std::launch::async, [&] {
    return batcher.run({{"x", Tensor::zeros({1, 4})}});
  });
  CHECK(batcher.run({{"x", rows(1, 3)}}).at("y").tensor().at<float>({0, 0}) == 3.5f);
  CHECK_THROWS_AS(wrong.get(), Error);
}

}  // namespace quern::serve
