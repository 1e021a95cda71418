#include "backend/packed_product.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "quern/runtime.h"

namespace quern::backend {
namespace {

std::vector<float> waves_of(std::int64_t count, float pace) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(std::sin(pace * static_cast<float>(i)));
  return values;
}

}  // namespace

TEST_CASE("a product of rows by packed weights is what it is by the plain ones") {
  const RuntimeOptions before = runtime_options();
  for (const std::int64_t rows : {1, 5, 49, 130}) {
    for (const std::int64_t columns : {1, 20, 256, 1000}) {
      for (const bool columns_first : {false, true}) {
        constexpr std::int64_t kTerms = 96;
        CAPTURE(rows);
        CAPTURE(columns);
        CAPTURE(columns_first);
        TensorDesc weights = dense_desc(DType::f32, {kTerms, columns});
        if (columns_first) weights.strides = {1, kTerms};
        MatMulDesc desc{
            .src = dense_desc(DType::f32, {rows, kTerms}),
            .weights = weights,
            .dst = dense_desc(DType::f32, {rows, columns}),
            .bias = {dense_desc(DType::f32, {1, columns})},
            .post_ops = {PostOp::with(Binary::add, dense_desc(DType::f32, {rows, columns})),
                         PostOp::with(Binary::mul, dense_desc(DType::f32, {1, columns})),
                         PostOp::apply(Eltwise::relu)}};
        const auto src = waves_of(rows * kTerms, 0.7f), weight = waves_of(kTerms * columns, 1.3f);
        const auto bias = waves_of(columns, 0.3f), scale = waves_of(columns, 0.9f);
        const auto residual = waves_of(rows * columns, 2.1f);
        const auto run = [&](const OperationPtr& operation, const void* multiplied) {
          std::vector<float> dst(residual.size());
          operation->run({{Slot::src, src.data()},
                          {Slot::weights, multiplied},
                          {Slot::bias, bias.data()},
                          {Slot::post_op0, residual.data()},
                          {Slot::post_op1, scale.data()},
                          {Slot::dst, dst.data()}});
          return dst;
        };
        const std::vector<float> plain = run(try_prepare(desc), weight.data());
        desc.packed_weights = true;
        for (const int threads : {1, 2, 3}) {
          RuntimeOptions options = before;
          options.threads = threads;
          configure(options);
          const OperationPtr operation = try_prepare_packed(desc);
          REQUIRE(operation != nullptr);
          const std::vector<float> packed = run(operation, operation->pack(weight.data()).get());
          float worst = 0;
          for (std::size_t i = 0; i < plain.size(); ++i)
            worst = std::max(worst, std::abs(packed[i] - plain[i]));
          CHECK(worst < 2e-5f);
          if (runtime_info().isa != "avx2" || columns < 256) continue;
          CHECK(operation->kernel().find("1x1") != std::string::npos);
        }
      }
    }
  }
  configure(before);
}

}  // namespace quern::backend
