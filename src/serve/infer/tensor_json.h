#pragma once

#include <string>
#include <utility>

#include "quern/tensor.h"
#include "serve/members.h"

namespace quern::serve {

/// A tensor as the Open Inference Protocol writes it: name, shape, datatype, and data, flat or
/// nested; null is NaN. `path` is where it stands in the request: "inputs[0].". Throws: ApiError.
std::pair<std::string, Tensor> tensor_from_json(const Json& json, const std::string& path);

/// NaN and infinities, which JSON lacks, are null. Throws: `unsupported` for a dtype that the
/// protocol lacks.
Json tensor_to_json(const std::string& name, const Tensor& tensor);

/// "FP32"; empty where the protocol has none.
std::string_view datatype_of(DType dtype) noexcept;

}  // namespace quern::serve
