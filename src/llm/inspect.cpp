#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "io/gguf_metadata.h"
#include "llm/model_impl.h"
#include "models/source/settings.h"
#include "tokenizer/load.h"

namespace quern::llm {
namespace {

/// Some architectures give a size for each layer; the largest describes them.
void describe_sizes(const models::ModelSource& source, ModelInfo& info) {
  namespace setting = models::setting;
  const models::Settings settings(source);
  info.layers = settings.largest(setting::layers);
  info.dim = settings.largest(setting::hidden_size);
  info.heads = settings.largest(setting::heads);
  info.kv_heads = settings.largest(setting::kv_heads);
  info.head_dim = settings.largest(setting::head_dim);
  info.vocab_size = settings.largest(setting::vocab_size);
  info.context_length = settings.largest(setting::context_length);
}

void describe_names(const models::ModelSource& source, ModelInfo& info) {
  if (!source.gguf) {
    info.format = "safetensors";
    info.name =
        io::JsonObject(*source.config, "config.json").get_or<std::string>("_name_or_path", "");
    return;
  }
  info.format = "GGUF v" + std::to_string(source.gguf->version);
  if (const std::string* name = io::find_string(source.gguf->metadata, "general.name"))
    info.name = *name;
  if (info.vocab_size == 0 && source.weights.contains("token_embd.weight"))
    info.vocab_size = source.weights.get("token_embd.weight").shape()[0];
}

void count_tensors(const Weights& weights, ModelInfo& info) {
  for (const std::string& name : weights.names()) {
    const Weight& weight = weights.get(name);
    TensorTypeInfo& type = info.tensor_types[std::string(weight.type_name())];
    const auto bytes = static_cast<std::int64_t>(weight.bytes().size());
    ++type.tensors;
    type.values += weight.shape().numel();
    type.bytes += bytes;
    info.parameters += weight.shape().numel();
    info.weight_bytes += bytes;
  }
}

}  // namespace

ModelInfo describe(const models::ModelSource& source) {
  ModelInfo info;
  info.architecture = source.architecture();
  info.supported = models::find_architecture(info.architecture) != nullptr;
  describe_sizes(source, info);
  describe_names(source, info);
  if (info.kv_heads == 0) info.kv_heads = info.heads;
  if (info.head_dim == 0 && info.heads > 0) info.head_dim = info.dim / info.heads;
  std::int64_t values = 0;
  const bool overflows = __builtin_mul_overflow(info.layers, info.kv_heads, &values) ||
                         __builtin_mul_overflow(values, info.head_dim, &values) ||
                         __builtin_mul_overflow(values, 2 * sizeof(Float16), &values);
  info.kv_bytes_per_token = overflows ? 0 : values;
  count_tensors(source.weights, info);
  return info;
}

std::optional<Tokenizer> load_tokenizer(const models::ModelSource& source) {
  if (source.gguf) {
    if (io::find_string(source.gguf->metadata, "tokenizer.ggml.model") == nullptr)
      return std::nullopt;
    return tokenizer_from_gguf(source.gguf->metadata);
  }
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::path(source.path) / "tokenizer.json", ignored))
    return std::nullopt;
  return tokenizer_from_folder(source.path);
}

ModelInfo inspect(const std::string& path) {
  const models::ModelSource source = models::open_source(path, {});
  ModelInfo info = describe(source);
  try {
    const auto tokenizer = load_tokenizer(source);
    if (tokenizer) info.tokenizer = tokenizer->kind();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
  }
  return info;
}

}  // namespace quern::llm
