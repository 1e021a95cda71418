#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fuzz/targets.h"
#include "fuzz/use.h"
#include "serve/api_error.h"
#include "serve/infer/tensor_json.h"

namespace quern::fuzz {
namespace {

using serve::ApiError;
using serve::JsonView;

/// What is read of a tensor that is written as JSON and bytes is the tensor again.
void check_binary(const std::string& name, const Tensor& tensor) {
  std::string json, binary;
  serve::write_tensor(name, tensor, json, &binary);
  std::string_view left = binary;
  const auto [again, read] = serve::read_tensor(JsonView::parse(json), "", left);
  std::string json_again, binary_again;
  serve::write_tensor(again, read, json_again, &binary_again);
  if (left.empty() && json == json_again && binary == binary_again) return;
  std::fprintf(stderr, "%s became %s\n", json.c_str(), json_again.c_str());
  std::abort();
}

/// Likewise where its elements are numbers in JSON, but for strings that JSON does not have.
void check_text(const std::string& name, const Tensor& tensor) {
  std::string json;
  try {
    serve::write_tensor(name, tensor, json, nullptr);
  } catch (const ApiError&) {
    return;
  }
  std::string_view none;
  const auto [again, read] = serve::read_tensor(JsonView::parse(json), "", none);
  std::string json_again;
  serve::write_tensor(again, read, json_again, nullptr);
  if (json == json_again) return;
  std::fprintf(stderr, "%s became %s\n", json.c_str(), json_again.c_str());
  std::abort();
}

}  // namespace

void infer_tensor(std::span<const std::byte> bytes) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view text = all.substr(0, all.find('\0'));
  std::string_view binary = all.substr(std::min(text.size() + 1, all.size()));
  allow_refusal([&] {
    try {
      const auto [name, tensor] =
          serve::read_tensor(JsonView::parse(text, {.allows_nonfinite = true}), "", binary);
      check_binary(name, tensor);
      check_text(name, tensor);
    } catch (const serve::JsonError& error) {
      throw Error(ErrorCode::corrupt_file, error.what());
    } catch (const ApiError& error) {
      if (error.status() / 100 != 4) std::abort();
      throw Error(ErrorCode::corrupt_file, error.what());
    }
  });
}

}  // namespace quern::fuzz
