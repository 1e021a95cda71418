#include <cstring>

#include "core/error.h"
#include "core/format.h"
#include "core/runtime.h"
#include "io/onnx_tensor.h"

namespace quern::io::onnx {
namespace {

struct Sparse {
  NamedTensor values, indices;
  std::vector<std::int64_t> dims;
};

[[noreturn]] void fail_sparse(const Sparse& sparse, const Source& source, const std::string& why) {
  fail(ErrorCode::corrupt_file, "{}: sparse tensor \"{}\": {}", source.file.name,
       sparse.values.name, why);
}

/// Zeros of the whole's shape. A few bytes of a file can ask for any size: bounded here.
Tensor zeros_of(const Sparse& sparse, const Source& source) {
  constexpr std::int64_t kMostBytes = std::int64_t{1} << 32;
  const std::int64_t most = memory_limit() > 0 ? memory_limit() : kMostBytes;
  const DType dtype = sparse.values.tensor.dtype();
  if (dtype == DType::string) fail_sparse(sparse, source, "strings");
  if (sparse.dims.size() > static_cast<std::size_t>(Shape::kMaxRank))
    fail_sparse(sparse, source, fmt::format("{} dimensions", sparse.dims.size()));
  auto bytes = static_cast<std::int64_t>(size_of(dtype));
  for (const std::int64_t dim : sparse.dims) {
    if (dim < 0 || __builtin_mul_overflow(bytes, dim, &bytes))
      fail_sparse(sparse, source, fmt::format("a dimension of {}", dim));
  }
  if (bytes > most) {
    fail(ErrorCode::out_of_memory, "{}: sparse tensor \"{}\": {} bytes, at most {}",
         source.file.name, sparse.values.name, bytes, most);
  }
  return Tensor::zeros(Shape(sparse.dims), dtype);
}

/// Where values lie in the whole, given as one place each, or by a coordinate of each axis.
std::vector<std::int64_t> places_of(const Sparse& sparse, const Source& source) {
  const Tensor indices = sparse.indices.tensor.contiguous();
  const std::int64_t count = sparse.values.tensor.numel();
  const auto rank = static_cast<std::int64_t>(sparse.dims.size());
  const bool by_place = indices.shape() == Shape{count};
  if (indices.dtype() != DType::i64 || (!by_place && indices.shape() != Shape{count, rank}))
    fail_sparse(sparse, source,
                fmt::format("indices {} {}, expected i64 [{}] or [{}, {}]", indices.dtype(),
                            indices.shape(), count, count, rank));
  const auto given = indices.data<std::int64_t>();
  if (by_place) return {given.begin(), given.end()};
  std::vector<std::int64_t> places;
  for (std::size_t i = 0; i < given.size(); i += sparse.dims.size()) {
    std::int64_t place = 0;
    for (std::size_t axis = 0; axis < sparse.dims.size(); ++axis) {
      const std::int64_t at = given[i + axis];
      if (at < 0 || at >= sparse.dims[axis])
        fail_sparse(sparse, source, fmt::format("index {} of axis {}", at, axis));
      place = place * sparse.dims[axis] + at;
    }
    places.push_back(place);
  }
  return places;
}

}  // namespace

NamedTensor read_sparse_tensor(protozero::pbf_reader reader, const Source& source) {
  Sparse sparse;
  while (reader.next()) {
    if (reader.tag() == 1) {
      sparse.values = read_tensor(reader.get_view(), source);
    } else if (reader.tag() == 2) {
      sparse.indices = read_tensor(reader.get_view(), source);
    } else if (reader.tag() == 3) {
      append(sparse.dims, reader, &protozero::pbf_reader::get_packed_int64,
             &protozero::pbf_reader::get_int64);
    } else {
      reader.skip();
    }
  }
  const Tensor values = sparse.values.tensor.contiguous();
  const Tensor whole = zeros_of(sparse, source);
  const std::size_t size = size_of(whole.dtype());
  const auto* from = static_cast<const std::byte*>(values.raw());
  for (const std::int64_t place : places_of(sparse, source)) {
    if (place < 0 || place >= whole.numel())
      fail_sparse(sparse, source, fmt::format("index {} of {}", place, whole.numel()));
    auto* to = static_cast<std::byte*>(const_cast<void*>(whole.raw()));
    std::memcpy(to + static_cast<std::size_t>(place) * size, from, size);
    from += size;
  }
  return {sparse.values.name, whole};
}

}  // namespace quern::io::onnx
