#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "core/error.h"
#include "core/format.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/safetensors_dtype.h"

namespace quern::io {
namespace {

using Named = std::pair<const std::string, Tensor>;

std::string_view dtype_name(const std::string& tensor, DType dtype) {
  for (const auto& [name, known] : kSafetensorsDTypes) {
    if (known == dtype) return name;
  }
  fail(ErrorCode::unsupported, "write_safetensors: tensor \"{}\": {} cannot be stored", tensor,
       dtype);
}

std::size_t byte_count(const Tensor& tensor) {
  return static_cast<std::size_t>(tensor.numel()) * size_of(tensor.dtype());
}

/// The header, padded so that the data after it is aligned.
std::string make_header(const std::vector<const Named*>& order,
                        const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t begin = 0;
  for (const Named* named : order) {
    const auto& [name, tensor] = *named;
    const std::size_t end = begin + byte_count(tensor);
    const Shape& shape = tensor.shape();
    header[name] = {{"dtype", dtype_name(name, tensor.dtype())},
                    {"shape", std::vector<std::int64_t>(shape.begin(), shape.end())},
                    {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const Named*> order;
  for (const Named& named : tensors) order.push_back(&named);
  // The widest elements first, so that every tensor begins at a multiple of its element.
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });
  const std::string header = make_header(order, metadata);

  const std::string partial = fmt::format("{}.{}.partial", path, ::getpid());
  std::ofstream file(partial, std::ios::binary | std::ios::trunc);
  const std::uint64_t header_bytes = header.size();
  file.write(reinterpret_cast<const char*>(&header_bytes), sizeof header_bytes);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  for (const Named* named : order) {
    const Tensor dense = named->second.contiguous();
    file.write(static_cast<const char*>(dense.raw()),
               static_cast<std::streamsize>(byte_count(dense)));
  }
  file.close();
  std::error_code error;
  if (file.good()) std::filesystem::rename(partial, path, error);
  if (!file.good() || error) {
    std::error_code ignored;
    std::filesystem::remove(partial, ignored);
    fail(ErrorCode::invalid_argument, "write_safetensors: {} cannot be written", path);
  }
}

}  // namespace quern::io
