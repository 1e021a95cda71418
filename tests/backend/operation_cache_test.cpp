#include "backend/operation_cache.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <fstream>
#include <thread>

#include "backend/prepared.h"
#include "support/error_code.h"
#include "support/op_check.h"
#include "support/runtime_guard.h"
#include "support/sanitized.h"

using namespace quern;
using backend::EltwiseDesc;
using backend::OperationPtr;
using backend::Slot;

namespace {

EltwiseDesc relu_of(std::int64_t size, float slope = 0.f) {
  const backend::TensorDesc desc = backend::dense_desc(DType::f32, {size});
  return {desc, desc, backend::Eltwise::relu, slope, 0.f};
}

std::int64_t resident_pages() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  file >> total >> resident;
  return resident;
}

// Sanitizers keep freed memory, and more of it than is asked for.
constexpr bool kMemoryTellsUse = !kSanitized;

}  // namespace

TEST_CASE("the same description gives the same operation, another one another") {
  const OperationPtr first = backend::try_prepare(relu_of(13));
  CHECK(first == backend::try_prepare(relu_of(13)));
  CHECK(first != backend::try_prepare(relu_of(14)));
  CHECK(first != backend::try_prepare(relu_of(13, 0.5f)));
  const RuntimeGuard guard;
  RuntimeOptions options = runtime_options();
  options.threads = runtime_info().threads + 1;
  configure(options);
  CHECK(first != backend::try_prepare(relu_of(13)));
}

TEST_CASE("descriptions that oneDNN has no kernel for give null, not an exception") {
  const auto dense = [](DType dtype, const Shape& shape) {
    return backend::dense_desc(dtype, shape);
  };
  const backend::TensorDesc f32 = dense(DType::f32, {2, 3});
  const backend::TensorDesc f64 = dense(DType::f64, {2, 3});
  const backend::TensorDesc reversed{DType::f32, {2, 3}, {3, -1}};
  CHECK(backend::try_prepare(EltwiseDesc{f64, f64}) == nullptr);
  CHECK(backend::try_prepare(EltwiseDesc{reversed, f32}) == nullptr);
  CHECK(backend::try_prepare(backend::SoftmaxDesc{f64, f64}) == nullptr);
  CHECK(backend::try_prepare(backend::SoftmaxDesc{f32, f32, 5}) == nullptr);
  CHECK(backend::try_prepare(backend::LayerNormDesc{f64, f64}) == nullptr);
  CHECK(backend::try_prepare(backend::BinaryDesc{f32, dense(DType::f32, {2, 4}), f32, {}, {}}) ==
        nullptr);
  CHECK(backend::try_prepare(backend::ReductionDesc{f32, dense(DType::f32, {2, 2})}) == nullptr);
  CHECK(backend::try_prepare(backend::ReorderDesc{f32, f64}) == nullptr);
  CHECK(backend::try_prepare(backend::ReorderDesc{f32, dense(DType::f32, {3, 2})}) == nullptr);
  CHECK(backend::try_prepare(backend::MatMulDesc{f32, f32, f32, {}, {}}) == nullptr);
  CHECK(backend::try_prepare(backend::MatMulDesc{
            f32, dense(DType::f64, {3, 2}), dense(DType::f64, {2, 2}), {}, {}}) == nullptr);
}

TEST_CASE("the cache keeps the operations used last, null ones too") {
  backend::OperationCache cache(3);
  int made = 0;
  const auto use = [&](int id, const OperationPtr& operation) {
    backend::OperationKey key("test", {}, {});
    key.add(id);
    return cache.find_or_add(key, [&] {
      ++made;
      return operation;
    });
  };
  const OperationPtr operation = backend::try_prepare(relu_of(13));
  for (const int id : {1, 2, 3}) use(id, id == 2 ? nullptr : operation);
  CHECK(made == 3);
  CHECK(use(1, nullptr) == operation);
  CHECK(use(2, operation) == nullptr);
  CHECK(made == 3);
  use(4, operation);  // in place of 3, used longest ago
  CHECK(cache.size() == 3);
  use(1, operation);
  use(2, operation);
  CHECK(made == 4);
  use(3, operation);
  CHECK(made == 5);
}

TEST_CASE("an operation that cannot be made is tried again") {
  backend::OperationCache cache(3);
  const backend::OperationKey key("test", {}, {});
  CHECK(code_of([&] {
          cache.find_or_add(
              key, []() -> OperationPtr { throw Error(ErrorCode::out_of_memory, "test"); });
        }) == ErrorCode::out_of_memory);
  CHECK(cache.size() == 0);
}

TEST_CASE("thousands of shapes leave a bounded number of operations, and bounded memory") {
  constexpr std::int64_t kShapes = 1100;
  constexpr std::int64_t kMaxCached = 1024;
  const auto prepare_shapes = [](std::int64_t first) {
    for (std::int64_t i = 0; i < kShapes; ++i) {
      REQUIRE(backend::try_prepare(relu_of(1000 + first + i)) != nullptr);
    }
  };
  prepare_shapes(0);
  CHECK(backend::operation_cache().size() == kMaxCached);
  prepare_shapes(kShapes);
  const std::int64_t before = resident_pages();
  for (int pass = 2; pass < 5; ++pass) prepare_shapes(pass * kShapes);
  CHECK(backend::operation_cache().size() == kMaxCached);
  constexpr std::int64_t kPages = 2048;  // 8 MiB, where 3,300 operations take several times that
  if (kMemoryTellsUse) CHECK(resident_pages() - before < kPages);
}

TEST_CASE("many threads prepare and run operations at once") {
  const Tensor a = hashed_tensor(1, {33, 129});
  const Tensor b = hashed_tensor(2, {129, 65});
  const Tensor expected = matmul_in_f64(a, b).cast(DType::f32);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::int64_t i = 0; i < 25; ++i) {
        const Tensor rows = a.slice(0, 0, 1 + (i + thread) % 33);
        const Tensor product = ops::matmul(rows, b);
        wrong += !difference(product, expected.slice(0, 0, rows.dim(0)).contiguous(), 129).empty();
        const Tensor probabilities = ops::softmax(product);
        const int last[] = {-1};
        wrong +=
            !difference(ops::sum(probabilities, last), Tensor::full({rows.dim(0)}, 1), 65).empty();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}
