#include <cmath>

#include "backend/prepared.h"
#include "support/op_check.h"

using namespace quern;
using backend::Slot;

namespace {

void check_like(const Tensor& result, const Tensor& expected, std::int64_t terms = 1) {
  const std::string wrong = difference(result.contiguous(), expected.cast(result.dtype()), terms);
  CHECK_MESSAGE(wrong.empty(), wrong);
}

// Runs the operation of `desc`, which must exist, from `src` into `dst`.
template <class Desc>
void run(const Desc& desc, std::vector<backend::Argument> arguments) {
  const auto operation = backend::try_prepare(desc);
  REQUIRE(operation != nullptr);
  CHECK(!operation->kernel().empty());
  operation->run(arguments);
}

}  // namespace

TEST_CASE("softmax along every axis") {
  for (const DType dtype : prepared_floats()) {
    for (const int axis : {0, 1, 2, -1}) {
      CAPTURE(to_string(dtype));
      CAPTURE(axis);
      const Tensor src = golden::float_values(1, {3, 13, 129}, "wide").cast(dtype);
      const Tensor dst = Tensor::empty(src.shape(), dtype);
      run(backend::SoftmaxDesc{backend::describe(src), backend::describe(dst), axis},
          {{Slot::src, src.raw()}, {Slot::dst, dst.raw()}});
      check_like(dst, ops::softmax(src.cast(DType::f64), axis), src.dim(axis));
    }
  }
}

TEST_CASE("layer norm with and without scale and shift") {
  for (const DType dtype : prepared_floats()) {
    for (const std::int64_t size : {1, 7, 128, 129}) {
      for (const auto& [has_scale, has_shift] :
           {std::pair{false, false}, {true, false}, {false, true}, {true, true}}) {
        CAPTURE(to_string(dtype));
        CAPTURE(size);
        CAPTURE(has_scale);
        CAPTURE(has_shift);
        const Tensor src = hashed_tensor(1, {13, size}, dtype);
        const Tensor dst = Tensor::empty(src.shape(), dtype);
        std::optional<Tensor> scale, shift;
        std::vector<backend::Argument> arguments{{Slot::src, src.raw()}, {Slot::dst, dst.raw()}};
        if (has_scale) {
          scale = hashed_tensor(2, {size});
          arguments.push_back({Slot::scale, scale->raw()});
        }
        if (has_shift) {
          shift = hashed_tensor(3, {size});
          arguments.push_back({Slot::shift, shift->raw()});
        }
        run(backend::LayerNormDesc{backend::describe(src), backend::describe(dst), 1e-3f, has_scale,
                                   has_shift},
            arguments);
        check_like(dst, ops::layer_norm(src.cast(DType::f64), scale, shift, 1e-3f), size);
      }
    }
  }
}

TEST_CASE("every function of one element") {
  using backend::Eltwise;
  for (const DType dtype : prepared_floats()) {
    const Tensor src = golden::float_values(1, {3, 129}, "positive").cast(dtype);
    for (int i = 0; i <= static_cast<int>(Eltwise::round); ++i) {
      const auto function = static_cast<Eltwise>(i);
      if (function == Eltwise::log && dtype == DType::f32) continue;    // known to be imprecise
      if (function == Eltwise::round && dtype != DType::f32) continue;  // oneDNN 2 has none
      CAPTURE(to_string(dtype));
      CAPTURE(i);
      const Tensor dst = Tensor::empty(src.shape(), dtype);
      const auto step = backend::PostOp::apply(function, 0.25f, 0.75f);
      run(backend::EltwiseDesc{backend::describe(src), backend::describe(dst), function, step.alpha,
                               step.beta},
          {{Slot::src, src.raw()}, {Slot::dst, dst.raw()}});
      check_like(dst, eltwise_in_f64(src.cast(DType::f64), step));
    }
  }
}

TEST_CASE("binary operations broadcast their second operand and take steps after") {
  using backend::Binary;
  for (const DType dtype : prepared_floats()) {
    for (const Binary operation :
         {Binary::add, Binary::sub, Binary::mul, Binary::div, Binary::minimum, Binary::maximum}) {
      for (const Shape& shape : {Shape{7, 129}, Shape{1, 129}, Shape{7, 1}}) {
        CAPTURE(to_string(dtype));
        CAPTURE(static_cast<int>(operation));
        CAPTURE(to_string(shape));
        const Tensor a = hashed_tensor(1, {7, 129}, dtype);
        const Tensor b = golden::float_values(2, shape, "positive").cast(dtype);
        const Tensor dst = Tensor::empty(a.shape(), dtype);
        const std::vector<Step> steps{with(Binary::mul, hashed_tensor(3, {1, 129}, dtype)),
                                      apply(backend::Eltwise::relu)};
        run(backend::BinaryDesc{backend::describe(a),
                                backend::describe(b),
                                backend::describe(dst),
                                operation,
                                {steps[0].op, steps[1].op}},
            {{Slot::src, a.raw()},
             {Slot::src1, b.raw()},
             {Slot::dst, dst.raw()},
             {Slot::post_op0, steps[0].operand.raw()}});
        check_like(dst, steps_in_f64(binary_in_f64(operation, a.cast(DType::f64), b), steps));
      }
    }
  }
}

TEST_CASE("reductions of every kind, over one axis or all") {
  using backend::Reduction;
  const Tensor src = golden::float_values(1, {7, 3, 13}, "positive");
  const std::vector<int> axis1{1};
  const std::vector<int> every{0, 1, 2};
  for (const auto& axes : {axis1, every}) {
    const Tensor wide = src.cast(DType::f64);
    for (const auto& [operation, expected] : {std::pair{Reduction::sum, ops::sum(wide, axes, true)},
                                              {Reduction::mean, ops::mean(wide, axes, true)},
                                              {Reduction::max, ops::max(wide, axes, true)},
                                              {Reduction::min, ops::min(wide, axes, true)}}) {
      CAPTURE(static_cast<int>(operation));
      const Tensor dst = Tensor::empty(expected.shape());
      run(backend::ReductionDesc{backend::describe(src), backend::describe(dst), operation},
          {{Slot::src, src.raw()}, {Slot::dst, dst.raw()}});
      check_like(dst, expected, src.numel());
    }
  }
  const Tensor pair = Tensor::from({2.f, 3.f, 4.f, 5.f}, {2, 2});
  const Tensor products = Tensor::empty({2, 1});
  run(backend::ReductionDesc{backend::describe(pair), backend::describe(products), Reduction::mul},
      {{Slot::src, pair.raw()}, {Slot::dst, products.raw()}});
  check_like(products, Tensor::from({6.0, 20.0}, {2, 1}), 2);
}

TEST_CASE("reorders change dtype and layout") {
  for (const DType from : {DType::f32, DType::bf16, DType::i8, DType::u8}) {
    for (const DType to : {DType::f32, DType::bf16}) {
      CAPTURE(to_string(from));
      CAPTURE(to_string(to));
      const Tensor src = golden::float_values(1, {13, 129}, "wide").cast(from);
      const Tensor dst = laid_out(Tensor::empty({13, 129}, to), Layout::transposed);
      run(backend::ReorderDesc{backend::describe(src), backend::describe(dst)},
          {{Slot::src, src.raw()}, {Slot::dst, dst.raw()}});
      check_like(dst, src.cast(DType::f64));
    }
  }
}
