#include "onnx/kernel.h"

#include "core/format.h"

namespace quern::onnx {

std::vector<std::int64_t> Inputs::ints(std::size_t index) const {
  const Tensor& given = (*this)[index];
  require(given.dtype() == DType::i64 || given.dtype() == DType::i32,
          "input {} has dtype {}, expected i64 or i32", index, given.dtype());
  const Tensor wide = given.cast(DType::i64).contiguous();
  const auto values = wide.data<std::int64_t>();
  return {values.begin(), values.end()};
}

std::vector<Tensor> Inputs::tensors(std::size_t first) const {
  std::vector<Tensor> found;
  for (std::size_t i = first; i < size(); ++i) found.push_back((*this)[i]);
  return found;
}

}  // namespace quern::onnx
