#include "ops/constant_weight.h"

#include "backend/prepared.h"
#include "core/buffer.h"
#include "core/parallel.h"
#include "ops/packed_conv.h"
#include "ops/packed_matmul.h"
#include "support/op_check.h"

using namespace quern;

namespace {

constexpr std::int64_t kIn = 256, kOut = 512;

backend::OperationPtr product(std::int64_t rows, DType dtype = DType::f32) {
  return backend::try_prepare(backend::MatMulDesc{backend::dense_desc(dtype, {rows, kIn}),
                                                  backend::dense_desc(dtype, {kIn, kOut}),
                                                  backend::dense_desc(dtype, {rows, kOut}),
                                                  {},
                                                  {},
                                                  true});
}

std::int64_t bytes_of(const Tensor& x) {
  return x.numel() * static_cast<std::int64_t>(size_of(x.dtype()));
}

}  // namespace

TEST_CASE("a weight that is packed is kept in that form alone, and gives its elements back") {
  const std::int64_t before = buffer_bytes_in_use();
  const Tensor expected = hashed_tensor(1, {kIn, kOut});
  ops::ConstantWeight weight(expected.clone());
  const auto packed = weight.packed_for(product(64), DType::f32);
  CHECK(buffer_bytes_in_use() - before < 2 * bytes_of(expected) + bytes_of(expected) / 8);
  CHECK(weight.packed_for(product(64), DType::f32) == packed);
  CHECK(weight.shape() == expected.shape());
  CHECK(difference(weight.elements(), expected, 0).empty());
}

TEST_CASE("a weight that is packed in another dtype keeps its own") {
  const auto operation = product(64, DType::bf16);
  if (operation == nullptr) return;
  const Tensor expected = hashed_tensor(1, {kIn, kOut});
  ops::ConstantWeight weight(expected.clone());
  weight.packed_for(operation, DType::bf16);
  CHECK(difference(weight.elements(), expected, 0).empty());
  weight.packed_for(product(64), DType::f32);
  CHECK(difference(weight.elements(), expected, 0).empty());
}

TEST_CASE("products and convolutions of many sizes need a weight once") {
  const Tensor matrix = hashed_tensor(1, {kIn, kOut});
  const Tensor filters = hashed_tensor(2, {64, 64, 3, 3});
  const ops::PackedMatMul product({.weight = matrix.transpose(0, 1).clone().transpose(0, 1)});
  const ops::PackedConv conv({.weight = filters.clone()});
  const ops::PackedMatMul same = product.without_steps();
  for (const std::int64_t size : {1, 3, 16, 64, 129, 300}) {
    CAPTURE(size);
    const Tensor rows = hashed_tensor(3, {size, kIn});
    const Tensor expected = ops::matmul(rows, matrix);
    CHECK(difference(product(rows), expected, kIn).empty());
    CHECK(difference(same(rows), expected, kIn).empty());
    const Tensor image = hashed_tensor(4, {1, 64, 5, 2 + size});
    const Tensor result = conv(image, ops::Layout::channels_last).contiguous();
    CHECK(difference(result, ops::conv(image, filters), 64 * 9).empty());
  }
}

TEST_CASE("many threads may pack one weight") {
  const Tensor expected = hashed_tensor(1, {kIn, kOut});
  ops::ConstantWeight weight(expected.clone());
  parallel_for(16, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      weight.packed_for(product(1 + i % 4 * 40), DType::f32);
      CHECK(difference(weight.elements(), expected, 0).empty());
    }
  });
}
