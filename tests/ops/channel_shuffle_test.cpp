#include "ops/channel_shuffle.h"

#include <doctest/doctest.h>

#include "ops/layout.h"
#include "quern/ops.h"
#include "support/error_code.h"
#include "support/op_check.h"

namespace quern::ops {
namespace {

Tensor numbered(const Shape& shape, DType dtype) {
  Tensor values = Tensor::empty(shape);
  float at = 0;
  for (float& value : values.mutable_data<float>()) {
    value = at;
    at = at < 250 ? at + 1 : 0;
  }
  return values.cast(dtype);
}

TEST_CASE("channels of groups take turns, in every dtype and layout") {
  for (const DType dtype : {DType::u8, DType::i8, DType::f16, DType::f32, DType::f64}) {
    for (const std::int64_t groups : {1, 2, 3}) {
      for (const std::int64_t parts : {1, 2}) {
        CAPTURE(to_string(dtype));
        CAPTURE(groups);
        CAPTURE(parts);
        const std::int64_t k = 58;
        const std::int64_t channels = groups * k;
        const Tensor x = numbered({2, channels, 3, 5}, dtype);
        const Tensor want =
            x.reshape({2, groups, k, 3, 5}).transpose(1, 2).reshape({2, channels, 3, 5});
        const Tensor wide = in_layout(concat(std::vector{x, x}, 1), dtype, Layout::channels_last);
        for (const Tensor& given : {x, in_layout(x, dtype, Layout::channels_last),
                                    wide.slice(1, channels, 2 * channels), x.transpose(2, 3)}) {
          const bool turned = given.dim(2) == 5;
          const auto got = shuffle_channels(given, groups, parts);
          REQUIRE(got.size() == static_cast<std::size_t>(parts));
          for (std::int64_t part = 0; part < parts; ++part) {
            const Tensor& own = got[static_cast<std::size_t>(part)];
            const Tensor slice =
                want.slice(1, part * channels / parts, (part + 1) * channels / parts);
            const Tensor expected = (turned ? slice.transpose(2, 3) : slice).contiguous();
            CHECK(difference(own.contiguous(), expected, 0).empty());
            if (size_of(dtype) <= 4 && !given.is_contiguous() && !turned)
              CHECK(is_channels_last(own));
          }
        }
      }
    }
  }
}

TEST_CASE("channels that groups or parts do not divide are refused") {
  const Tensor x = Tensor::zeros({1, 6, 2, 2});
  CHECK(code_of([&] { shuffle_channels(x, 4, 1); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { shuffle_channels(x, 2, 2); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { shuffle_channels(x, 0, 1); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] {
          shuffle_channels(Tensor::zeros({4, 6}), 2, 1);
        }) == ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace quern::ops
