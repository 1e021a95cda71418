#include <memory>

#include "core/block_format.h"
#include "kernels/random_weight.h"
#include "quern/ops.h"
#include "support/op_check.h"

using namespace quern;

TEST_CASE("rows of a quantised table are decoded to f32 bit for bit") {
  constexpr std::int64_t kCount = 13;
  constexpr std::int64_t kDim = 512;
  const Tensor ids = golden::int_values<std::int64_t>(1, {3, 67}, "ids13");
  for (int i = 1; i <= static_cast<int>(Encoding::q8_f32); ++i) {
    const auto encoding = static_cast<Encoding>(i);
    CAPTURE(to_string(encoding));
    const auto memory = std::make_shared<RandomWeight>(encoding, DType::f32, kCount, kDim, 7);
    const auto bytes = static_cast<std::size_t>(kCount * kernels::row_bytes(memory->rows()));
    const Weight table(encoding, {kCount, kDim}, {memory->rows().data, bytes}, memory);
    const Tensor values = Tensor::from(memory->values(), {kCount, kDim});
    const Tensor expected = ops::gather(values, ids);
    const Tensor result = ops::embedding(table, ids);
    CHECK(result.shape() == expected.shape());
    CHECK(std::equal(result.data<float>().begin(), result.data<float>().end(),
                     expected.data<float>().begin()));
  }
}
