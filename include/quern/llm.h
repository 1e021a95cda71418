#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/export.h"
#include "quern/tensor.h"
#include "quern/tokenizer.h"
#include "quern/weights.h"

namespace quern {

/// What a callback wants next.
enum class Flow { keep_going, stop };

}  // namespace quern

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

struct GenerateOptions {
  std::int64_t max_tokens = 256;
  float temperature = 0.8f;  ///< 0: always the likeliest token
  int top_k = 40;            ///< only the k likeliest; 0: all
  float top_p = 0.95f;       ///< only the likeliest that together have this probability; 1: all
  float min_p = 0.05f;       ///< only those this likely relative to the likeliest; 0: all
  float repetition_penalty =
      1.f;  ///< divides the logits of tokens seen before (Keskar et al., 2019); 1: none
  std::uint64_t seed = 0;              ///< equal seeds give equal texts
  std::vector<std::string> stop = {};  ///< texts that end the answer; not part of it
  bool ignore_stop_tokens = false;     ///< go on after an end-of-text token
};

/// Receives the answer as it grows: whole UTF-8 sequences, never a part of a stop string. May stop
/// it.
using StreamCallback = std::function<Flow(std::string_view piece)>;

enum class FinishReason {
  stop,      ///< a stop token or a stop string
  length,    ///< max_tokens, or the end of the context
  cancelled  ///< the callback asked for it
};
QUERN_API std::string_view to_string(FinishReason reason) noexcept;

struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;  ///< of the prompt, those whose keys and values were still there
  std::int64_t completion_tokens = 0;
};

struct Timings {
  double prefill_seconds = 0;  ///< until the first token was chosen
  double decode_seconds = 0;   ///< for the tokens after the first
  /// Tokens per second; 0 where there were none.
  double prefill_rate(const Usage& usage) const {
    return prefill_seconds > 0
               ? static_cast<double>(usage.prompt_tokens - usage.cached_tokens) / prefill_seconds
               : 0;
  }
  double decode_rate(const Usage& usage) const {
    return decode_seconds > 0 ? static_cast<double>(usage.completion_tokens - 1) / decode_seconds
                              : 0;
  }
};

struct Reply {
  std::string text;
  std::vector<TokenId> tokens;
  FinishReason finish_reason = FinishReason::stop;
  Usage usage;
  Timings timings;
};

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
  struct Impl;
  explicit Model(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

struct ChatOptions {
  std::string system = {};  ///< the system message; empty: none
};

/// A conversation with a model. Keys and values of what was said are kept, so that each turn costs
/// what is new. Movable; one thread at a time.
class QUERN_API Chat {
 public:
  explicit Chat(const Model& model, const ChatOptions& options = {});
  Chat(Chat&&) noexcept;
  Chat& operator=(Chat&&) noexcept;
  ~Chat();

  /// Says `message` and returns the answer, which joins the conversation. Where it throws, the
  /// conversation is as before. Throws: as Model::generate.
  Reply send(std::string_view message, const GenerateOptions& options = {},
             const StreamCallback& callback = {});

  /// What was said so far.
  std::span<const ChatMessage> messages() const noexcept;
  /// Forgets all but the system message.
  void clear();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::llm
