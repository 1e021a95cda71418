#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "quern/export.h"
#include "quern/llm/model.h"

namespace quern::llm {

struct ChatOptions {
  std::string system = {};  ///< the system message; empty: none
};

/// A conversation with a model. Keys and values of what was said are kept, so that each turn costs
/// what is new. Movable; one thread at a time, but for `cancel`.
class QUERN_API Chat {
 public:
  /// Throws: `not_found` where the model has no tokenizer; what ChatTemplate::parse does where its
  /// template has faults.
  explicit Chat(const Model& model, const ChatOptions& options = {});
  Chat(Chat&&) noexcept;
  Chat& operator=(Chat&&) noexcept;
  ~Chat();

  /// Says `message` and returns the answer, which joins the conversation, as far as it came where
  /// it was stopped. Where it throws, or was cancelled before it began, the conversation is as
  /// before. Throws: as Model::generate.
  Reply send(std::string_view message, const GenerateOptions& options = {},
             const StreamCallback& callback = {});

  /// Ends the `send` that runs in another thread, within a tenth of a second, whether it reads the
  /// message or answers: its reply has the reason `cancelled` and what was generated. Does nothing
  /// where none runs. From any thread; not while the Chat is moved or destroyed.
  void cancel() noexcept;
  /// What was said so far.
  std::span<const ChatMessage> messages() const noexcept;
  /// Forgets all but the system message.
  void clear();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::llm
