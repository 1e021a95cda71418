#include "onnx/layout.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "onnx/graph_maker.h"
#include "ops/layout.h"
#include "quern/ops.h"

using namespace quern;
using namespace quern::onnx;

namespace {

/// Adds its inputs and notes where they were.
class Add final : public Kernel {
 public:
  explicit Add(std::vector<const void*>& places) : places_(places) {}
  void run(const Inputs& in, Outputs& out) const override {
    for (std::size_t i = 0; i < in.size(); ++i) places_.push_back(in[i].raw());
    CHECK(in[0].is_contiguous());
    out.set(0, ops::add(in[0], in[1]));
  }

 private:
  std::vector<const void*>& places_;
};

void check_kept(const Shape& other_shape) {
  CAPTURE(other_shape);
  const Tensor plain = wavy({2, 5, 3, 4}, 1);
  const Value x{ops::in_layout(plain, DType::f32, ops::Layout::channels_last)};
  const Tensor other = wavy(other_shape, 7);
  const Value y{other_shape == plain.shape()
                    ? ops::in_layout(other, DType::f32, ops::Layout::channels_last)
                    : other};
  std::vector<const void*> places;
  const KernelPtr kernel = keep_layout(std::make_unique<const Add>(places));
  const std::array<const Value*, 2> given{&x, &y};
  std::array<Value, 1> results;
  Outputs out(results);
  kernel->run(Inputs(given), out);
  CHECK(places == std::vector<const void*>{x.tensor().raw(), y.tensor().raw()});
  const Tensor got = results[0].tensor();
  CHECK(ops::is_channels_last(got));
  const Tensor expected = ops::add(plain, other);
  CHECK(std::ranges::equal(got.contiguous().data<float>(), expected.data<float>()));
}

}  // namespace

TEST_CASE("elementwise kernels read what has its channels last where it lies") {
  check_kept({2, 5, 3, 4});
  check_kept({2, 5, 1, 1});
  check_kept({5, 1, 1});
  check_kept({3, 4});
}
