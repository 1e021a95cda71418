#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "io/gguf_metadata.h"
#include "llm/model_impl.h"
#include "tokenizer/load.h"

namespace quern::llm {
namespace {

void describe_gguf(const io::GgufFile& file, ModelInfo& info) {
  const io::GgufMetadata& metadata = file.metadata;
  // Some architectures give a size for each layer; the largest describes them.
  const auto size = [&](const char* key) -> std::int64_t {
    const auto found = metadata.find(info.architecture + "." + key);
    if (found == metadata.end()) return 0;
    if (const auto* one = std::get_if<std::int64_t>(&found->second)) return *one;
    const auto* each = std::get_if<std::vector<std::int64_t>>(&found->second);
    return each == nullptr || each->empty() ? 0 : *std::ranges::max_element(*each);
  };
  info.format = "GGUF v" + std::to_string(file.version);
  if (const std::string* name = io::find_string(metadata, "general.name")) info.name = *name;
  info.layers = size("block_count");
  info.dim = size("embedding_length");
  info.heads = size("attention.head_count");
  info.kv_heads = size("attention.head_count_kv");
  info.head_dim = size("attention.key_length");
  info.vocab_size = size("vocab_size");
  info.context_length = size("context_length");
  if (info.vocab_size == 0 && file.weights.contains("token_embd.weight")) {
    info.vocab_size = file.weights.get("token_embd.weight").shape()[0];
  }
}

void describe_config(const io::Json& config, ModelInfo& info) {
  const io::JsonObject json(config, "config.json");
  const auto size = [&](const char* name) { return json.get_or<std::int64_t>(name, 0); };
  info.format = "safetensors";
  info.name = json.get_or<std::string>("_name_or_path", "");
  info.layers = size("num_hidden_layers");
  info.dim = size("hidden_size");
  info.heads = size("num_attention_heads");
  info.kv_heads = size("num_key_value_heads");
  info.head_dim = size("head_dim");
  info.vocab_size = size("vocab_size");
  info.context_length = size("max_position_embeddings");
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
  source.gguf ? describe_gguf(*source.gguf, info) : describe_config(*source.config, info);
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
