#include "quern/onnx/batcher.h"

#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <vector>

#include "onnx/model_maker.h"
#include "quern/error.h"

namespace quern::onnx {
namespace {

Model affine() { return Model::load("tests/data/serve/affine.onnx"); }

Tensor rows(std::int64_t count, float first) {
  Tensor tensor = Tensor::zeros({count, 3});
  for (std::int64_t i = 0; i < count; ++i)
    tensor.mutable_at<float>({i, 0}) = first + static_cast<float>(i);
  return tensor;
}

TEST_CASE("requests that wait together are run as one, and get their own rows") {
  Batcher batcher(affine(), {.max_batch = 6, .max_delay = std::chrono::minutes{1}});
  REQUIRE(batcher.batches());
  std::vector<std::future<Values>> results;
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
  const Model mixing = Model::load("tests/data/serve/mixing.onnx");
  Batcher alone(mixing, {.max_batch = 2, .max_delay = std::chrono::minutes{1}});
  CHECK_FALSE(alone.batches());
  auto other = std::async(std::launch::async, [&] { return alone.run({{"x", rows(1, 100)}}); });
  CHECK(alone.run({{"x", rows(1, 3)}}).at("y").tensor().at<float>({0, 0}) == 3.f);
  CHECK(other.get().at("y").tensor().at<float>({0, 0}) == 100.f);
  const Batcher told(mixing, {.rows_are_independent = true});
  CHECK(told.batches());
}

TEST_CASE("requests that give what the model has a value of are run alone, each by its own") {
  ModelMaker maker;
  maker.inputs = {ModelMaker::value("x", {ModelMaker::kRows, 2}), ModelMaker::value("b", {1, 2})};
  maker.initializers = {ModelMaker::tensor("b", {1, 2}, 1, ModelMaker::raw<float>({0.f, 0.f}))};
  maker.nodes = {ModelMaker::node("Add", {"x", "b"}, {"y"})};
  maker.outputs = {ModelMaker::value("y", {ModelMaker::kRows, 2})};
  Batcher batcher(Model::parse(bytes_of(maker.model())),
                  {.max_batch = 2, .max_delay = std::chrono::minutes{1}});
  REQUIRE(batcher.batches());
  const auto sum_with = [&](float b) {
    const Tensor y =
        batcher.run({{"x", Tensor::zeros({1, 2})}, {"b", Tensor::full({1, 2}, b)}}).at("y");
    return y.at<float>({0, 1});
  };
  auto other = std::async(std::launch::async, [&] { return sum_with(100.f); });
  CHECK(sum_with(3.f) == 3.f);
  CHECK(other.get() == 100.f);
  CHECK(batcher.runs() == 2);
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

}  // namespace
}  // namespace quern::onnx
