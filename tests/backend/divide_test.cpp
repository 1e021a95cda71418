#include "backend/divide.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <random>

#include "core/runtime.h"
#include "support/runtime_guard.h"

using namespace quern;
using namespace quern::backend;

namespace {

using Values = std::vector<float>;

Values values(std::int64_t count, Slot slot) {
  std::mt19937 generator(static_cast<unsigned>(slot) + 1);
  std::uniform_real_distribution<float> any(-1, 1);
  Values made(static_cast<std::size_t>(count));
  for (float& value : made) value = any(generator);
  return made;
}

// The result on `threads`; empty where oneDNN has no kernel.
template <class Desc>
Values run(const Desc& desc, const std::map<Slot, std::int64_t>& others, bool packs, int threads) {
  RuntimeOptions options = runtime_options();
  options.threads = threads;
  configure(options);
  const OperationPtr operation = try_prepare(desc);
  if (!operation) return {};
  std::map<Slot, Values> given{{Slot::src, values(desc.src.shape.numel(), Slot::src)}};
  for (const auto& [slot, count] : others) given[slot] = values(count, slot);
  Values dst = values(desc.dst.shape.numel(), Slot::dst);
  std::shared_ptr<const std::byte> packed;
  std::vector<Argument> arguments{{Slot::dst, dst.data()}};
  for (const auto& [slot, elements] : given) {
    const void* data = elements.data();
    if (packs && slot == Slot::weights) data = (packed = operation->pack(data)).get();
    arguments.push_back({slot, data});
  }
  operation->run(arguments);
  return dst;
}

// Slices make what the whole makes, up to the order of sums, and there are several.
template <class Desc>
void check_slices(const Desc& desc, const std::map<Slot, std::int64_t>& others = {},
                  bool packs = false, bool may_lack = false) {
  const RuntimeGuard guard;
  const Values whole = run(desc, others, packs, 1);
  for (const int threads : {2, 3, 5}) {
    CAPTURE(threads);
    CHECK(divide(desc, threads).size() > 1);
    const Values sliced = run(desc, others, packs, threads);
    if (sliced.empty() && may_lack) continue;
    REQUIRE(sliced.size() == whole.size());
    float worst = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      const float off = std::abs(sliced[i] - whole[i]);
      if (!(off <= worst)) worst = off;
    }
    CHECK(worst < (may_lack ? 1e-3f : 1e-4f));
    CHECK(run(desc, others, packs, threads) == sliced);
  }
}

TensorDesc dense(const Shape& shape) { return dense_desc(DType::f32, shape); }
TensorDesc image(const Shape& shape) { return channels_last_desc(DType::f32, shape); }

struct Filter {
  std::int64_t out, size, stride = 1, groups = 1, dilation = 1;
};

Shape result_of(const Shape& src, const Filter& filter, bool transposed) {
  const std::int64_t reach = filter.dilation * (filter.size - 1);
  Shape dst{src[0], filter.out};
  for (int axis = 2; axis < 4; ++axis) {
    const std::int64_t spare = reach / 2 * 2 - reach - 1;
    dst.push_back(transposed ? (src[axis] - 1) * filter.stride - spare
                             : (src[axis] + spare) / filter.stride + 1);
  }
  return dst;
}

// Followed by a residual, where it may have one, a scale per channel and Relu.
void check_convolution(const Shape& src, const Filter& filter, bool transposed = false,
                       bool winograd = false) {
  CAPTURE(src[0]);
  CAPTURE(src[1]);
  CAPTURE(src[2]);
  CAPTURE(filter.size);
  CAPTURE(filter.stride);
  CAPTURE(filter.groups);
  CAPTURE(filter.dilation);
  CAPTURE(transposed);
  const Shape dst = result_of(src, filter, transposed);
  const std::int64_t pad = filter.dilation * (filter.size - 1) / 2;
  const std::int64_t in = src[1] / filter.groups;
  ConvDesc desc{.src = image(src),
                .weights = dense(
                    transposed ? Shape{src[1], filter.out / filter.groups, filter.size, filter.size}
                               : Shape{filter.out, in, filter.size, filter.size}),
                .dst = image(dst),
                .bias = {dense({filter.out})},
                .window = {{filter.stride, filter.stride},
                           {filter.dilation, filter.dilation},
                           {pad, pad},
                           {pad, pad}},
                .groups = filter.groups,
                .transposed = transposed,
                .winograd = winograd,
                .post_ops = {}};
  std::map<Slot, std::int64_t> others{{Slot::weights, desc.weights.shape.numel()},
                                      {Slot::bias, filter.out}};
  if (winograd && !try_prepare(desc)) return;
  if (!winograd) {
    desc.post_ops = {PostOp::with(Binary::add, image(dst)),
                     PostOp::with(Binary::mul, dense({1, filter.out, 1, 1}))};
    others[Slot::post_op0] = dst.numel();
    others[Slot::post_op1] = filter.out;
  }
  desc.post_ops.push_back(PostOp::apply(Eltwise::relu));
  check_slices(desc, others, true, winograd);
}

void check_product(const Shape& src, const Shape& weights, bool packs) {
  CAPTURE(src.dim(-2));
  CAPTURE(weights.dim(-1));
  CAPTURE(packs);
  Shape dst = src;
  dst[dst.rank() - 1] = weights.dim(-1);
  Shape row(std::vector<std::int64_t>(static_cast<std::size_t>(dst.rank()), 1));
  row[dst.rank() - 1] = weights.dim(-1);
  check_slices(MatMulDesc{.src = dense(src),
                          .weights = dense(weights),
                          .dst = dense(dst),
                          .bias = {dense(row)},
                          .post_ops = {PostOp::with(Binary::add, dense(dst))},
                          .packed_weights = packs},
               {{Slot::weights, weights.numel()},
                {Slot::bias, weights.dim(-1)},
                {Slot::post_op0, dst.numel()}},
               packs);
}

}  // namespace

TEST_CASE("slices of products make the whole") {
  for (const bool packs : {false, true}) {
    check_product({128, 96}, {96, 256}, packs);
    check_product({1, 512}, {512, 1000}, packs);
    check_product({7, 512}, {512, 640}, packs);
    check_product({331, 64}, {64, 96}, packs);
  }
  check_product({1, 12, 64, 32}, {1, 12, 32, 64}, false);
  check_product({3, 100, 64}, {3, 64, 100}, false);
  check_product({3, 100, 64}, {1, 64, 100}, false);
}

TEST_CASE("slices of convolutions make the whole") {
  check_convolution({1, 64, 28, 28}, {64, 3});
  check_convolution({1, 64, 28, 28}, {128, 1});
  check_convolution({1, 64, 28, 28}, {128, 1, 2});
  check_convolution({1, 256, 7, 7}, {512, 1});
  check_convolution({1, 256, 7, 7}, {512, 3});
  check_convolution({1, 64, 33, 33}, {48, 3, 2, 1, 2});
  check_convolution({1, 64, 43, 43}, {48, 3, 3});
  check_convolution({1, 64, 53, 53}, {80, 5, 4});
  check_convolution({3, 64, 28, 28}, {64, 3});
  check_convolution({8, 64, 14, 14}, {64, 1});
  check_convolution({1, 64, 56, 56}, {64, 3, 1, 64});
  check_convolution({1, 64, 28, 28}, {64, 3, 1, 4});
  check_convolution({1, 80, 1, 600}, {128, 3});
}

TEST_CASE("slices of transposed convolutions make the whole") {
  check_convolution({1, 64, 28, 28}, {64, 2, 2}, true);
  check_convolution({1, 64, 21, 21}, {48, 3, 2}, true);
  check_convolution({1, 64, 21, 21}, {48, 5}, true);
  check_convolution({1, 64, 19, 19}, {48, 2, 3}, true);
  check_convolution({1, 64, 22, 19}, {64, 4, 2, 4}, true);
  check_convolution({2, 64, 14, 14}, {32, 4, 2}, true);
}

TEST_CASE("slices of Winograd's convolutions make the whole") {
  check_convolution({1, 64, 56, 56}, {64, 3}, false, true);
  check_convolution({1, 128, 27, 27}, {64, 3}, false, true);
  check_convolution({2, 64, 28, 28}, {64, 3}, false, true);
  check_convolution({1, 256, 14, 14}, {256, 3}, false, true);
}

TEST_CASE("slices of pooling make the whole") {
  for (const auto describe_image : {image, dense}) {
    for (const Pooling operation :
         {Pooling::max, Pooling::average_of_elements, Pooling::average_with_pads}) {
      for (const std::int64_t batch : {1, 3}) {
        check_slices(PoolDesc{describe_image({batch, 64, 56, 56}),
                              describe_image({batch, 64, 28, 28}),
                              operation,
                              {3, 3},
                              {{2, 2}, {1, 1}, {1, 1}, {0, 0}}});
      }
    }
  }
}

TEST_CASE("slices of what follows products make the whole") {
  for (const Shape& shape : {Shape{128, 768}, Shape{1, 12, 64, 128}, Shape{3, 100, 200}}) {
    Shape sums = shape;
    sums[sums.rank() - 1] = 1;
    check_slices(EltwiseDesc{dense(shape), dense(shape), Eltwise::gelu_erf});
    check_slices(BinaryDesc{dense(shape), dense(shape), dense(shape), Binary::add, {}},
                 {{Slot::src1, shape.numel()}});
    check_slices(BinaryDesc{dense(shape), dense(sums), dense(shape), Binary::mul, {}},
                 {{Slot::src1, sums.numel()}});
    check_slices(SoftmaxDesc{dense(shape), dense(shape), -1});
    check_slices(SoftmaxDesc{dense(shape), dense(shape), 0});
    check_slices(LayerNormDesc{dense(shape), dense(shape), 1e-5f, true, true},
                 {{Slot::scale, shape.dim(-1)}, {Slot::shift, shape.dim(-1)}});
    check_slices(ReductionDesc{dense(shape), dense(sums), Reduction::mean});
  }
  check_slices(ReorderDesc{dense({1, 64, 28, 56}), image({1, 64, 28, 56})});
}
