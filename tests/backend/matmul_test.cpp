#include <algorithm>
#include <cmath>

#include "backend/prepared.h"
#include "support/op_check.h"

using namespace quern;
using backend::Binary;
using backend::Eltwise;

namespace {

constexpr std::int64_t kSizes[][3] = {{1, 1, 1},    {1, 7, 3},      {3, 13, 7},
                                      {13, 1, 129}, {129, 127, 13}, {7, 129, 128}};

void check_equal(const Tensor& result, const Tensor& expected, std::int64_t terms) {
  const std::string wrong = difference(result.contiguous(), expected.cast(result.dtype()), terms);
  CHECK_MESSAGE(wrong.empty(), wrong);
}

Tensor stored_transposed(const Tensor& x) { return laid_out(x, Layout::transposed); }

Tensor bytes(std::uint32_t seed, const Shape& shape, DType dtype) {
  return dtype == DType::u8 ? golden::int_values<std::uint8_t>(seed, shape, "full")
                            : golden::int_values<std::int8_t>(seed, shape, "full");
}

// Of 7 bits where more would saturate.
Tensor byte_weights(std::uint32_t seed, const Shape& shape) {
  const Tensor full = bytes(seed, shape, DType::i8);
  return backend::has_exact_bytes() ? full : ops::div(full, Tensor::full(shape, 2, DType::i8));
}

Tensor to_bytes(const Tensor& wide, DType dtype) {
  Tensor rounded = wide.clone();
  for (double& value : rounded.mutable_data<double>()) value = std::nearbyint(value);
  return rounded.cast(dtype);
}

}  // namespace

TEST_CASE("matmul of floats with bias, activation, residual and a scale per channel") {
  for (const DType dtype : prepared_floats()) {
    for (const auto& [m, k, n] : kSizes) {
      for (const bool transposed : {false, true}) {
        CAPTURE(to_string(dtype));
        CAPTURE(m);
        CAPTURE(k);
        CAPTURE(n);
        CAPTURE(transposed);
        const Tensor a = hashed_tensor(1, {m, k}, dtype);
        Tensor b = hashed_tensor(2, {k, n}, dtype);
        if (transposed) b = stored_transposed(b);
        const Tensor bias = hashed_tensor(3, {1, n});
        const std::vector<Step> steps{apply(Eltwise::silu),
                                      with(Binary::add, hashed_tensor(4, {m, n}, dtype)),
                                      with(Binary::mul, hashed_tensor(5, {1, n}))};
        const Tensor dst = Tensor::empty({m, n}, dtype);
        run_matmul(a, b, dst, bias, steps);
        check_equal(dst, matmul_in_f64(a, b, bias, steps), k);
      }
    }
  }
}

TEST_CASE("matmul applies every activation") {
  const Tensor a = hashed_tensor(1, {7, 13});
  const Tensor b = hashed_tensor(2, {13, 33});
  for (const Step& step :
       {apply(Eltwise::relu), apply(Eltwise::relu, 0.3f), apply(Eltwise::elu, 0.5f),
        apply(Eltwise::gelu_erf), apply(Eltwise::gelu_tanh), apply(Eltwise::silu),
        apply(Eltwise::sigmoid), apply(Eltwise::tanh), apply(Eltwise::exp), apply(Eltwise::abs),
        apply(Eltwise::square), apply(Eltwise::softplus), apply(Eltwise::mish),
        apply(Eltwise::hardswish), apply(Eltwise::linear, 0.5f, 0.25f),
        apply(Eltwise::clip, -0.5f, 0.75f), apply(Eltwise::round)}) {
    CAPTURE(static_cast<int>(step.op.eltwise));
    const Tensor dst = Tensor::empty({7, 33});
    run_matmul(a, b, dst, {}, {step});
    check_equal(dst, matmul_in_f64(a, b, {}, {step}), 13);
  }
}

TEST_CASE("matmul applies every binary step, to one value, a row, a column or all") {
  const Tensor a = hashed_tensor(1, {7, 13});
  const Tensor b = hashed_tensor(2, {13, 33});
  for (const Binary operation :
       {Binary::add, Binary::sub, Binary::mul, Binary::div, Binary::minimum, Binary::maximum}) {
    for (const Shape& shape : {Shape{1, 1}, Shape{1, 33}, Shape{7, 1}, Shape{7, 33}}) {
      CAPTURE(static_cast<int>(operation));
      CAPTURE(to_string(shape));
      const std::vector<Step> steps{with(operation, golden::float_values(3, shape, "positive"))};
      const Tensor dst = Tensor::empty({7, 33});
      run_matmul(a, b, dst, {}, steps);
      // Division by as little as 2^-10 magnifies what the product is off by.
      check_equal(dst, matmul_in_f64(a, b, {}, steps), operation == Binary::div ? 13 << 20 : 13);
    }
  }
}

TEST_CASE("matmul writes into a part of a wider tensor, with a residual beside it") {
  for (const DType dtype : prepared_floats()) {
    for (const std::int64_t m : {1, 9, 129}) {
      CAPTURE(to_string(dtype));
      CAPTURE(m);
      const Tensor a = hashed_tensor(1, {m, 129}, dtype);
      const Tensor b = stored_transposed(hashed_tensor(2, {129, 64}, dtype));
      const Tensor bias = hashed_tensor(3, {1, 64});
      const Tensor whole = Tensor::full({m, 200}, 7);
      const Tensor residual = hashed_tensor(4, {m, 200}).slice(1, 70, 134);
      const std::vector<Step> steps{with(Binary::add, residual)};
      run_matmul(a, b, whole.slice(1, 70, 134), bias, steps);
      check_equal(whole.slice(1, 70, 134), matmul_in_f64(a, b, bias, steps), 129);
      check_equal(whole.slice(1, 0, 70), Tensor::full({m, 70}, 7, DType::f64), 1);
      check_equal(whole.slice(1, 134, 200), Tensor::full({m, 66}, 7, DType::f64), 1);
    }
  }
}

TEST_CASE("matmul of batches, broadcast on either side") {
  for (const DType dtype : prepared_floats()) {
    for (const auto& [a_batch, b_batch] :
         {std::pair{Shape{3}, Shape{3}}, std::pair{Shape{3}, Shape{1}},
          std::pair{Shape{1}, Shape{3}}, std::pair{Shape{2, 1}, Shape{1, 3}}}) {
      CAPTURE(to_string(a_batch));
      CAPTURE(to_string(b_batch));
      const auto shape = [](Shape batch, std::int64_t rows, std::int64_t columns) {
        batch.push_back(rows);
        batch.push_back(columns);
        return batch;
      };
      const Tensor a = hashed_tensor(1, shape(a_batch, 7, 13), dtype);
      const Tensor b = hashed_tensor(2, shape(b_batch, 13, 5), dtype);
      const Tensor dst = Tensor::empty(shape(broadcast_shapes(a_batch, b_batch), 7, 5), dtype);
      run_matmul(a, b, dst, {}, {apply(Eltwise::relu)});
      check_equal(dst, matmul_in_f64(a, b, {}, {apply(Eltwise::relu)}), 13);
    }
  }
}

TEST_CASE("matmul of bytes is exact in i32, and takes bias, activation, residual and scales") {
  for (const DType dtype : {DType::i8, DType::u8}) {
    for (const auto& [m, k, n] : kSizes) {
      CAPTURE(to_string(dtype));
      CAPTURE(m);
      CAPTURE(k);
      CAPTURE(n);
      const Tensor a = bytes(1, {m, k}, dtype);
      const Tensor b = byte_weights(2, {k, n});
      const Tensor sums = Tensor::empty({m, n}, DType::i32);
      run_matmul(a, b, sums);
      check_equal(sums, matmul_in_f64(a, b), k);

      const Tensor bias = golden::float_values(3, {1, n}, "wide");
      const std::vector<Step> steps{with(Binary::mul, golden::float_values(5, {1, n}, "positive")),
                                    apply(Eltwise::relu),
                                    with(Binary::add, hashed_tensor(4, {m, n}))};
      const Tensor scaled = Tensor::empty({m, n});
      run_matmul(a, b, scaled, bias, steps);
      check_equal(scaled, matmul_in_f64(a, b, bias, steps), k);
    }
  }
}

TEST_CASE("matmul of bytes rounds to bytes: to nearest even, saturating") {
  const Tensor a = bytes(1, {9, 33}, DType::u8);
  const Tensor b = byte_weights(2, {33, 17});
  for (const DType dtype : {DType::i8, DType::u8}) {
    CAPTURE(to_string(dtype));
    // A power of two keeps ties exact.
    const std::vector<Step> steps{with(Binary::mul, Tensor::full({1, 17}, 0x1p-8))};
    const Tensor dst = Tensor::empty({9, 17}, dtype);
    run_matmul(a, b, dst, {}, steps);
    check_equal(dst, to_bytes(matmul_in_f64(a, b, {}, steps), dtype), 1);
  }
}
