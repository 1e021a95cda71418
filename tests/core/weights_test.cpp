#include "quern/weights.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/block_format.h"
#include "support/error_code.h"

using namespace quern;

namespace {

/// Codes of `rows` rows of two blocks each, none like another, whatever they mean.
Weight blocks(Encoding encoding, const Shape& outer) {
  const BlockFormat format = block_format(encoding);
  Shape shape = outer;
  shape.push_back(2 * format.values);
  auto bytes = std::make_shared<std::vector<std::byte>>(
      static_cast<std::size_t>(shape.numel() / format.values * format.bytes));
  for (std::size_t i = 0; i < bytes->size(); ++i)
    (*bytes)[i] = static_cast<std::byte>((i * 37 + i / 251) % 59);
  return {encoding, shape, *bytes, bytes};
}

std::vector<float> values(const Weight& weight) {
  const Tensor tensor = weight.tensor(DType::f32);
  return {tensor.data<float>().begin(), tensor.data<float>().end()};
}

bool are_same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
           return x == y || (x != x && y != y);
         });
}

/// Values of rows [begin, end) of the outermost axis.
std::vector<float> part(const Weight& weight, std::int64_t begin, std::int64_t end) {
  const std::vector<float> all = values(weight);
  const std::int64_t row = std::ssize(all) / weight.shape()[0];
  return {all.begin() + begin * row, all.begin() + end * row};
}

}  // namespace

TEST_CASE("rows of a weight are those of its values, in every encoding, without a copy") {
  for (int i = 1; i <= static_cast<int>(Encoding::q8_f32); ++i) {
    const Weight weight = blocks(static_cast<Encoding>(i), {5});
    CAPTURE(weight.type_name());
    const Weight middle = weight.rows(1, 4);
    CHECK(middle.shape() == Shape{3, weight.shape()[1]});
    CHECK(middle.encoding() == weight.encoding());
    CHECK(middle.bytes().data() > weight.bytes().data());
    CHECK(middle.bytes().data() < weight.bytes().data() + weight.bytes().size());
    CHECK(are_same(values(middle), part(weight, 1, 4)));
    CHECK(are_same(values(middle.rows(2, 3)), part(weight, 3, 4)));
    CHECK(weight.rows(2, 2).shape()[0] == 0);
  }
  const Weight dense = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2});
  CHECK(values(dense.rows(1, 3)) == std::vector<float>{3, 4, 5, 6});
  CHECK(dense.rows(1, 3).bytes().data() == dense.bytes().data() + 2 * sizeof(float));
}

TEST_CASE("a matrix of a stack is its rows under another shape") {
  const Weight stack = blocks(Encoding::q4_k, {3, 4});
  const Weight second = stack.rows(1, 2).reshape({4, stack.shape()[2]});
  CHECK(second.shape() == Shape{4, 512});
  CHECK(are_same(values(second), part(stack, 1, 2)));
  CHECK(stack.reshape({12, 512}).rows(4, 8).bytes().data() == second.bytes().data());
}

TEST_CASE("rows that are joined are those of the parts in turn") {
  for (const Encoding encoding : {Encoding::q8_0, Encoding::q6_k, Encoding::iq2_xxs}) {
    const Weight weight = blocks(encoding, {6});
    const Weight parts[] = {weight.rows(4, 6), weight.rows(0, 1)};
    const Weight joined = Weight::concat(parts);
    CHECK(joined.shape() == Shape{3, weight.shape()[1]});
    std::vector<float> expected = part(weight, 4, 6);
    const std::vector<float> rest = part(weight, 0, 1);
    expected.insert(expected.end(), rest.begin(), rest.end());
    CHECK(are_same(values(joined), expected));
  }
  const Weight dense = Tensor::from(std::vector<float>{1, 2, 3}, {3}).cast(DType::bf16);
  const Weight parts[] = {dense.rows(2, 3), dense};
  CHECK(values(Weight::concat(parts)) == std::vector<float>{3, 1, 2, 3});
}

TEST_CASE("rows and shapes that are not there are refused") {
  const Weight weight = blocks(Encoding::q4_0, {4});
  for (const auto& [begin, end] : {std::pair{-1, 2}, {2, 1}, {0, 5}})
    CHECK(code_of([&] { (void)weight.rows(begin, end); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { (void)weight.reshape({8, 32}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { (void)weight.reshape({2, 64}); }) == ErrorCode::invalid_argument);
  const Weight other[] = {weight, blocks(Encoding::q8_0, {4})};
  CHECK(code_of([&] { (void)Weight::concat(other); }) == ErrorCode::invalid_argument);
  CHECK(code_of([] { (void)Weight::concat({}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([] { (void)Weight().rows(0, 1); }) == ErrorCode::invalid_argument);
}
