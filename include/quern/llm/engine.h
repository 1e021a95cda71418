#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quern/export.h"
#include "quern/function.h"
#include "quern/llm/model.h"

namespace quern::llm {

/// What an answer grew by.
struct Delta {
  std::string_view text;            ///< whole UTF-8 sequences, never a part of a stop string
  std::span<const TokenId> tokens;  ///< those chosen since the last call
  std::span<const ChosenLogprob> logprobs;  ///< one for each of `tokens`, where asked for
};

/// Receives an answer as it grows; what `Delta` views is valid during the call only. Called where
/// there is new text, or for every token where the model has no tokenizer. May stop the answer.
using DeltaCallback = Function<Flow(const Delta&)>;

/// A text to continue as it stands, tokens, or a conversation to be rendered by the model's chat
/// template.
struct Prompt {
  enum class Kind { text, tokens, messages };

  Prompt() = default;
  Prompt(std::string from) : text(std::move(from)) {}
  Prompt(const char* from) : text(from) {}
  Prompt(std::vector<TokenId> from) : kind(Kind::tokens), tokens(std::move(from)) {}
  Prompt(std::vector<ChatMessage> from) : kind(Kind::messages), messages(std::move(from)) {}

  Kind kind = Kind::text;  ///< which of these it is
  std::string text = {};
  std::vector<TokenId> tokens = {};
  std::vector<ChatMessage> messages = {};
};

/// One generation asked of an Engine.
struct Request {
  Prompt prompt;
  GenerateOptions options = {};
  /// Requests of one tenant share the keys and values of common beginnings of their prompts; no
  /// tenant's are used for another, nor does one take less time for what another has asked.
  std::string tenant = {};
  int priority = 0;  ///< higher ones leave the queue first, equal ones in the order they came
  DeltaCallback callback = {};  ///< optional
  /// Optional; called once, after the last call of `callback`, when the reply is there: `wait`
  /// then returns at once. What it throws is dropped. Not called once the Generation is gone.
  Function<void()> done = {};
};

/// A request on its way through an Engine: the one who holds it waits for the reply or cancels.
///
/// Movable; may outlive its Engine. Safe to use from several threads at once, except for moving and
/// destroying it. An empty one (moved from, or made by default) can only be assigned or destroyed.
class QUERN_API Generation {
 public:
  Generation() noexcept;
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  /// Cancels what is not finished. When it returns no callback of the request runs, nor will one;
  /// so it must not be destroyed with a lock held that its own callback takes. Within its own
  /// callback it may be.
  ~Generation();

  /// Asks the engine to end the request: it takes no further step, and its reply has the reason
  /// `cancelled` and what was generated. Does nothing where it is finished.
  void cancel() noexcept;
  /// Whether `wait` would return at once.
  bool ready() const;
  /// Waits `seconds` at most for the reply, and returns whether it is there.
  bool wait_for(double seconds) const;
  /// Waits for the reply. Throws: what a callback threw; `out_of_memory`. Must not be called from a
  /// callback.
  Reply wait() const;

 private:
  friend class Engine;
  struct Impl;
  explicit Generation(std::shared_ptr<Impl> impl) noexcept;
  std::shared_ptr<Impl> impl_;
};

struct EngineOptions {
  std::int64_t max_running = 64;  ///< requests generated for at once
  std::int64_t max_queued = 256;  ///< requests taken beyond those; 0: none
  /// Tokens of keys and values held at once, of running requests and of kept prompts together;
  /// rounded up to pages of 64. 0: `max_running` full contexts; where those are more than 2 GiB, as
  /// many tokens as fit that, or one full context.
  std::int64_t kv_tokens = 0;
  /// Tokens of one step at most, more than `max_running`: one of each running request, the rest for
  /// prompts, in chunks. More make prompts faster, fewer make the steps of the others shorter.
  std::int64_t step_tokens = 256;
};

/// What an Engine does now, and has done since it was made.
struct EngineStatistics {
  std::int64_t queued = 0;          ///< requests that wait
  std::int64_t running = 0;         ///< requests generated for
  std::int64_t batch_requests = 0;  ///< requests that the last step served
  std::int64_t batch_tokens = 0;    ///< tokens that the last step ran
  std::int64_t kv_pages_used = 0;   ///< promised to running requests, or kept for common prompts
  std::int64_t kv_pages_kept = 0;   ///< of these, those kept for common prompts
  std::int64_t kv_pages_total = 0;
  std::int64_t steps = 0;
  std::int64_t requests = 0;           ///< that left the queue and are finished, however they ended
  std::int64_t prompt_tokens = 0;      ///< of prompts begun
  std::int64_t cached_tokens = 0;      ///< of these, those whose keys and values were still there
  std::int64_t completion_tokens = 0;  ///< generated
  std::int64_t prefix_hits = 0;        ///< requests with cached tokens
};

/// Many generations over one model at once, by continuous batching: a request joins at any step and
/// leaves at any other, prompts are run in chunks beside the others' next tokens.
///
/// A request leaves the queue when its worst case, prompt and `max_tokens` together, fits what is
/// free of `kv_tokens`; nothing that runs is ever interrupted for another. The queue is served in
/// order: none overtakes one of its own priority. Whole pages (64 tokens) of what was said are kept
/// for later requests of the same tenant, until room is needed, the least recently used first.
/// What else runs changes a request's logits by rounding only, and its sampling not at all.
///
/// One thread of the engine's own runs the steps and calls every callback: those of one request in
/// order, one at a time over all requests, so a slow one slows all. A callback that stops or throws
/// ends its own request only. The thread sleeps while there is nothing to do. Thread-safe.
class QUERN_API Engine {
 public:
  /// Throws: `invalid_argument` for an option out of range.
  explicit Engine(const Model& model, const EngineOptions& options = {});
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  /// Cancels all requests, waits for the step that runs, and joins the thread. Must not happen in a
  /// callback.
  ~Engine();

  /// Queues a request; its prompt is encoded on the calling thread. May be called from a callback.
  /// Throws: `busy` where `max_running` and `max_queued` requests are unfinished: nothing is wrong
  /// with the request, and it may be repeated later (HTTP: 429 or 503); `cancelled` where the
  /// engine is being destroyed; `invalid_argument` for an option or a token out of range, an empty
  /// prompt, a prompt beyond the context, or one that with its answer is more than `kv_tokens`;
  /// `not_found` for text or messages where the model has no tokenizer.
  Generation submit(Request request);

  const Model& model() const noexcept;
  EngineStatistics statistics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::llm
