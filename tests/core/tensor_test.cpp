#include "quern/tensor.h"

#include <doctest/doctest.h>
#include <algorithm>

#include <cmath>
#include <limits>
#include <vector>

#include "quern/error.h"
#include "support/error_code.h"

using namespace quern;

TEST_CASE("copies share elements, clones do not, borrowed tensors see the caller's memory") {
  Tensor a = Tensor::from({1.f, 2.f, 3.f, 4.f}, {2, 2});
  Tensor shared = a;
  Tensor cloned = a.clone();
  a.mutable_at<float>({0, 1}) = 9.f;
  CHECK(shared.at<float>({0, 1}) == 9.f);
  CHECK(cloned.at<float>({0, -1}) == 2.f);

  std::vector<std::int32_t> values{1, 2, 3};
  const Tensor borrowed = Tensor::borrow(std::span(values), {3});
  values[2] = 7;
  CHECK(borrowed.at<std::int32_t>({2}) == 7);
}

TEST_CASE("what is borrowed from const memory is not written to") {
  const std::vector<float> values{1.f, 2.f, 3.f};
  Tensor borrowed = Tensor::borrow(std::span(values), {3});
  Tensor part = borrowed.slice(0, 1, 3);
  for (Tensor* lent : {&borrowed, &part}) {
    CHECK(lent->is_read_only());
    CHECK(code_of([&] { lent->mutable_data<float>(); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { lent->mutable_raw(); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { lent->mutable_at<float>({0}) = 9.f; }) == ErrorCode::invalid_argument);
  }
  part = part.clone();
  part.mutable_at<float>({0}) = 9.f;
  CHECK(part.at<float>({0}) == 9.f);
  CHECK(borrowed.at<float>({1}) == 2.f);
}

TEST_CASE("data of a wrong dtype, a view with gaps, a bad index or shape throw invalid_argument") {
  const Tensor a = Tensor::zeros({2, 3});
  CHECK(code_of([&] { a.data<double>(); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { a.transpose(0, 1).data<float>(); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { (void)a.at<float>({2, 0}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { a.reshape({4}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { a.dim(2); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { Tensor::empty({-1}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { Tensor::empty({-1, 0}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { Tensor::empty({1ll << 40, 1ll << 40}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { Tensor::empty({1ll << 50}); }) == ErrorCode::out_of_memory);
}

TEST_CASE("slice follows Python") {
  const Tensor a = Tensor::from({0, 1, 2, 3, 4}, {5});
  const auto values = [](const Tensor& t) {
    const Tensor dense = t.contiguous();
    const auto span = dense.data<int>();
    return std::vector<int>(span.begin(), span.end());
  };
  constexpr auto kEnd = std::numeric_limits<std::int64_t>::max();
  CHECK(values(a.slice(0, 1, 4)) == std::vector{1, 2, 3});
  CHECK(values(a.slice(0, -2, kEnd)) == std::vector{3, 4});
  CHECK(values(a.slice(0, 0, kEnd, 2)) == std::vector{0, 2, 4});
  CHECK(values(a.slice(0, kEnd, std::numeric_limits<std::int64_t>::min(), -1)) ==
        std::vector{4, 3, 2, 1, 0});
  CHECK(values(a.slice(0, 4, 0, -3)) == std::vector{4, 1});
  CHECK(values(a.slice(0, 3, 3)).empty());
  CHECK(Tensor::empty({0, 4}).slice(1, 1, 3).shape() == Shape{0, 2});
}

TEST_CASE("sizes must multiply to what strides can hold, elements or not") {
  constexpr auto kLargest = std::numeric_limits<std::int64_t>::max();
  const Tensor none = Tensor::zeros({0, kLargest / 4, 4});
  CHECK(none.transpose(0, 2).contiguous().shape() == Shape{4, kLargest / 4, 0});
  CHECK(none.slice(1, 7, kLargest).slice(2, 3, 4).cast(DType::f64).numel() == 0);
  CHECK(code_of([&] { Tensor::zeros({0, kLargest, 2}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { Tensor::zeros({kLargest, 2, 0}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] {
          Tensor::zeros({0, 1}).expand({0, kLargest}).expand({kLargest, 0, kLargest});
        }) == ErrorCode::invalid_argument);
}

TEST_CASE("views keep the elements' places") {
  const Tensor a = Tensor::from({0, 1, 2, 3, 4, 5}, {2, 3});
  CHECK(a.transpose(0, 1).at<int>({2, 0}) == 2);
  CHECK(a.permute({1, 0}).contiguous().data<int>()[1] == 3);
  CHECK(a.transpose(0, 1).reshape({-1}).data<int>()[1] == 3);
  CHECK(a.slice(1, 1, 2).expand({2, 4}).at<int>({1, 3}) == 4);
  CHECK(code_of([&] { a.expand({3, 3}); }) == ErrorCode::invalid_argument);
}

TEST_CASE("cast rounds to nearest even, truncates to integers and saturates") {
  const Tensor a = Tensor::from({-1.9, 2.5, 300.0, -1e30, std::nan(""), 1e30}, {6});
  const Tensor bytes = a.cast(DType::u8);
  const std::vector<int> expected{0, 2, 255, 0, 0, 255};
  for (int i = 0; i < 6; ++i) CHECK(bytes.data<std::uint8_t>()[i] == expected[i]);
  CHECK(a.cast(DType::i64).data<std::int64_t>()[5] == std::numeric_limits<std::int64_t>::max());
  CHECK(a.cast(DType::boolean).data<bool>()[0]);
  const Tensor brain = Tensor::from({1.00390625f, 1.01171875f}, {2}).cast(DType::bf16);
  CHECK(static_cast<float>(brain.data<BFloat16>()[0]) == 1.0f);
  CHECK(static_cast<float>(brain.data<BFloat16>()[1]) == 1.015625f);
}

TEST_CASE("every binary16 survives the way through float") {
  for (int bits = 0; bits < 65536; ++bits) {
    const auto half = Float16::from_bits(static_cast<std::uint16_t>(bits));
    const float wide = half;
    if (std::isnan(wide)) continue;
    REQUIRE(Float16(wide).bits == bits);
    if (std::isinf(wide)) continue;
    const double significand = (bits & 0x3ff) + ((bits & 0x7c00) != 0 ? 1024.0 : 0.0);
    const double magnitude = std::ldexp(significand, std::max((bits >> 10) & 31, 1) - 25);
    REQUIRE(wide == static_cast<float>((bits & 0x8000) != 0 ? -magnitude : magnitude));
  }
}

TEST_CASE("a tensor prints its dtype, shape and edges") {
  CHECK(Tensor::from({1.f, 2.5f}, {1, 2}).to_string() == "f32 [1, 2]\n[[1, 2.5]]");
  CHECK(Tensor::full({9}, 1, DType::i8).to_string() == "i8 [9]\n[1, 1, 1, ..., 1, 1, 1]");
  CHECK(Tensor::from({std::string("a")}, {1}).to_string() == "string [1]\n[\"a\"]");
}
