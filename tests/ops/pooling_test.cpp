#include "ops/pooling.h"

#include "ops/window_options.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

using backend::Pooling;

ops::AverageOver average_over(const GoldenCase& given) {
  return given.text("over") == "places" ? ops::AverageOver::places : ops::AverageOver::elements;
}

std::int64_t window_size(const GoldenCase& given) { return numbers(given, "kernel").numel(); }

void run_pools(Pooling operation, const Tensor& x, const ops::PoolOptions& options,
               std::vector<Computed>& results) {
  const Shape shape = ops::pool_shape("test", x.shape(), options);
  for (const ops::Layout layout : {ops::Layout::contiguous, ops::Layout::channels_last}) {
    run_each(
        ops::pool_implementations(),
        [&] {
          return ops::PoolArgs{operation, x, ops::empty_in(layout, shape, x.dtype()),
                               options.kernel, ops::pool_window("test", x.shape(), options)};
        },
        results);
  }
}

std::vector<Computed> run_max(const GoldenCase& given) {
  const Tensor& x = given.inputs[0];
  const ops::PoolOptions options = pool_options(given);
  std::vector<Computed> results{{"quern::ops", ops::max_pool(x, options)},
                                {"with indices", ops::max_pool_with_indices(x, options).values}};
  run_pools(Pooling::max, x, options, results);
  return results;
}

std::vector<Computed> run_average(const GoldenCase& given) {
  std::vector<Computed> results{
      {"quern::ops", ops::avg_pool(given.inputs[0], pool_options(given), average_over(given))}};
  run_pools(average_over(given) == ops::AverageOver::places ? Pooling::average_with_pads
                                                            : Pooling::average_of_elements,
            given.inputs[0], pool_options(given), results);
  return results;
}

std::vector<Computed> run_global_average(const GoldenCase& given) {
  const Tensor& x = given.inputs[0];
  std::vector<Computed> results{{"quern::ops", ops::global_avg_pool(x)}};
  const std::span<const std::int64_t> sizes(x.shape().begin() + 2, x.shape().end());
  run_pools(Pooling::average_of_elements, x, {.kernel = Shape(sizes)}, results);
  return results;
}

std::int64_t places(const GoldenCase& given) {
  return given.inputs[0].numel() / given.inputs[0].dim(1);
}

const std::vector<std::string> kOfWholeImages{"mean_of_rows"};

template <class Function>
OpUnderTest plain(const Function& function) {
  return {.run = [=](const GoldenCase& given) -> std::vector<Computed> {
            return {{"quern::ops", function(given)}};
          },
          .terms = places};
}

}  // namespace

TEST_CASE("max_pool agrees with PyTorch in every dtype and layout") {
  check_goldens({{"max_pool", {.run = run_max, .not_by = kOfWholeImages}},
                 {"max_pool_indices", plain([](const GoldenCase& given) {
                    return ops::max_pool_with_indices(given.inputs[0], pool_options(given)).indices;
                  })}},
                "tests/data/network_goldens.safetensors");
}

TEST_CASE("avg_pool and lp_pool agree with PyTorch in every dtype and layout") {
  check_goldens({{"avg_pool", {.run = run_average, .terms = window_size, .not_by = kOfWholeImages}},
                 {"lp_pool", plain([](const GoldenCase& given) {
                    return ops::lp_pool(given.inputs[0], static_cast<float>(given.number("p", 2)),
                                        pool_options(given));
                  })}},
                "tests/data/network_goldens.safetensors");
}

TEST_CASE("pooling over all places or to given sizes agrees with PyTorch") {
  const auto on_input = [](Tensor (*function)(const Tensor&)) {
    return plain([=](const GoldenCase& given) { return function(given.inputs[0]); });
  };
  check_goldens({{"global_max_pool", on_input(ops::global_max_pool)},
                 {"global_avg_pool", {.run = run_global_average, .terms = places}},
                 {"global_lp_pool", plain([](const GoldenCase& given) {
                    return ops::global_lp_pool(given.inputs[0],
                                               static_cast<float>(given.number("p", 2)));
                  })},
                 {"adaptive_avg_pool", plain([](const GoldenCase& given) {
                    return ops::adaptive_avg_pool(given.inputs[0], numbers(given, "sizes"));
                  })}},
                "tests/data/network_goldens.safetensors");
}

TEST_CASE("a window of pads alone is the smallest value, index -1 and average 0") {
  const Tensor x = Tensor::full({1, 1, 2}, 3);
  const ops::PoolOptions options{.kernel = {1}, .pads_begin = {1}};
  CHECK(ops::max_pool(x, options).at<float>({0, 0, 0}) == -std::numeric_limits<float>::infinity());
  CHECK(ops::max_pool(x.cast(DType::u8), options).at<std::uint8_t>({0, 0, 0}) == 0);
  CHECK(ops::max_pool_with_indices(x, options).indices.at<std::int64_t>({0, 0, 0}) == -1);
  CHECK(ops::avg_pool(x, options).at<float>({0, 0, 0}) == 0);
  CHECK(ops::avg_pool(x, options).at<float>({0, 0, 1}) == 3);
}

TEST_CASE("pooling refuses windows that do not fit and dtypes it does not take") {
  const Tensor x = Tensor::zeros({1, 2, 5, 5});
  const auto code = [&](const ops::PoolOptions& options) {
    return code_of([&] { ops::avg_pool(x, options); });
  };
  const auto invalid = ErrorCode::invalid_argument;
  CHECK(code({}) == invalid);
  CHECK(code({.kernel = {3}}) == invalid);
  CHECK(code({.kernel = {0, 1}}) == invalid);
  CHECK(code({.kernel = {6, 1}}) == invalid);
  CHECK(code({.kernel = {3, 3}, .strides = {1, 0}}) == invalid);
  CHECK(code({.kernel = {3, 3}, .dilations = {3, 1}}) == invalid);
  CHECK(code_of([&] {
          ops::max_pool(x.cast(DType::i32), {.kernel = {1, 1}});
        }) == ErrorCode::unsupported);
  CHECK(code_of([&] {
          ops::avg_pool(x.cast(DType::u8), {.kernel = {1, 1}});
        }) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::lp_pool(x, 0, {.kernel = {1, 1}}); }) == invalid);
  CHECK(code_of([&] { ops::global_avg_pool(Tensor::zeros({3})); }) == invalid);
  CHECK(code_of([&] { ops::global_avg_pool(Tensor::zeros({1, 3, 0})); }) == invalid);
  CHECK(code_of([&] { ops::adaptive_avg_pool(x, {2}); }) == invalid);
}
