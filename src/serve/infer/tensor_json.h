#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "quern/tensor.h"
#include "serve/json_view.h"

namespace quern::serve {

/// Reads a tensor as the Open Inference Protocol writes it: name, shape, datatype, and its elements
/// as "data", flat or nested, or as bytes after the JSON, whose number "binary_data_size" says
/// (the protocol's extension for binary data). In data, "NaN", "Infinity" and "-Infinity" are
/// numbers, as are the words without quotes where the JSON was parsed to have them; null is NaN.
///
/// `path` is where it stands in the request: "inputs[0].". What `binary` has of the tensor is taken
/// off its front. Throws: ApiError.
std::pair<std::string, Tensor> read_tensor(JsonView json, const std::string& path,
                                           std::string_view& binary);

/// Appends a tensor to JSON, as an object; its elements are in it, or where `binary` is not null,
/// appended to that. Numbers are as `read_tensor` takes them. Throws: ApiError for what cannot be
/// written so: a dtype that the protocol lacks, and in JSON a string that is not UTF-8.
void write_tensor(const std::string& name, const Tensor& tensor, std::string& json,
                  std::string* binary);

/// "FP32"; empty where the protocol has none.
std::string_view datatype_of(DType dtype) noexcept;

}  // namespace quern::serve
