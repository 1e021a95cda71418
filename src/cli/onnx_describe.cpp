#include "cli/onnx_describe.h"

namespace quern::cli {

std::string describe(const onnx::ValueInfo& info) {
  std::string text = info.name;
  if (info.kind != onnx::ValueKind::tensor) text.append(" ").append(to_string(info.kind));
  if (info.has_dtype) text.append(" ").append(to_string(info.dtype));
  if (!info.has_shape) return text;
  text += " [";
  for (std::size_t i = 0; i < info.dims.size(); ++i) {
    const std::string& name = info.dim_names[i];
    if (i > 0) text += ", ";
    text += info.dims[i] >= 0 ? std::to_string(info.dims[i]) : name.empty() ? "?" : name;
  }
  return text + "]";
}

}  // namespace quern::cli
