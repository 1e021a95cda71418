#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "quern/chat_template.h"
#include "quern/export.h"
#include "quern/llm/generate.h"
#include "quern/tensor.h"
#include "quern/weights.h"

namespace quern::llm {

struct LoadOptions {
  Accuracy accuracy = Accuracy::fast;  ///< `exact`: activations and keys and values in f32
  std::int64_t context_length =
      0;  ///< tokens of one conversation at most; 0: what the model was trained for
  LoadProgress progress = {};  ///< optional
};

/// Bytes and values of a model's tensors of one type.
struct TensorTypeInfo {
  std::int64_t tensors = 0;
  std::int64_t values = 0;
  std::int64_t bytes = 0;
};

/// What a file says of its model; 0 or empty where it says nothing.
struct ModelInfo {
  std::string format;        ///< "GGUF v3", "safetensors"
  std::string architecture;  ///< as the file names it
  bool supported = false;    ///< whether Model::load takes this architecture
  std::string name;
  std::int64_t parameters = 0;
  std::int64_t layers = 0;
  std::int64_t dim = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocab_size = 0;
  std::int64_t context_length = 0;
  std::string tokenizer;  ///< its kind; empty where there is none, or none that can be read
  std::map<std::string, TensorTypeInfo> tensor_types;  ///< by name: "f32", "q4_k"
  std::int64_t weight_bytes = 0;                       ///< of all tensors, as stored
  std::int64_t kv_bytes_per_token = 0;                 ///< with Accuracy::fast
};

/// Reads a model's description without loading it. Throws: as Model::load, but takes any
/// architecture.
QUERN_API ModelInfo inspect(const std::string& path);

/// A language model: its weights, its tokenizer and its chat template.
///
/// Immutable; copies share everything. Safe to use from several threads at once.
class QUERN_API Model {
 public:
  /// Takes a .gguf file or a Hugging Face folder (config.json, *.safetensors, tokenizer.json).
  /// The file is mapped, not copied. Throws: `not_found`, `corrupt_file`, `unsupported` for an
  /// architecture (the message lists the known ones) or a tokenizer, `invalid_argument`.
  static Model load(const std::string& path, const LoadOptions& options = {});

  const ModelInfo& info() const noexcept;
  /// Tokens of one conversation at most.
  std::int64_t context_length() const noexcept;
  bool has_tokenizer() const noexcept;
  /// Throws: `not_found` where the model came without one.
  const Tokenizer& tokenizer() const;
  const ChatTemplate& chat_template() const noexcept;

  /// One full forward: ids [batch, tokens] (i32 or i64) -> logits [batch, tokens, vocab_size] f32.
  /// Throws: `invalid_argument` for an id outside the vocabulary or more tokens than the context.
  Tensor logits(const Tensor& ids) const;

  /// Continues a text as it stands, after the special tokens the model expects before a text.
  /// Throws: `invalid_argument` for an option out of range or a prompt beyond the context, and
  /// whatever the callback throws.
  Reply generate(std::string_view prompt, const GenerateOptions& options = {},
                 const StreamCallback& callback = {}) const;
  /// Continues tokens; needs no tokenizer, and gives no text without one.
  Reply generate(std::span<const TokenId> prompt, const GenerateOptions& options = {},
                 const StreamCallback& callback = {}) const;

 private:
  friend class Chat;
  friend class Engine;
  struct Impl;
  explicit Model(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace quern::llm
