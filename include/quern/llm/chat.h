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
