#include <algorithm>

#include "core/error.h"
#include "llm/model_impl.h"
#include "llm/scheduler.h"

namespace quern::llm {

struct Chat::Impl {
  explicit Impl(const Model& given) : model(given), sequence(given.impl_->pool) {}

  Model model;
  std::vector<ChatMessage> messages;
  KvSequence sequence;
  std::vector<TokenId> held;  // the tokens whose keys and values `sequence` holds
};

Chat::Chat(const Model& model, const ChatOptions& options) : impl_(std::make_unique<Impl>(model)) {
  model.tokenizer();
  if (!options.system.empty()) impl_->messages.push_back({"system", options.system});
}

Chat::Chat(Chat&&) noexcept = default;
Chat& Chat::operator=(Chat&&) noexcept = default;
Chat::~Chat() = default;

Reply Chat::send(std::string_view message, const GenerateOptions& options,
                 const StreamCallback& callback) {
  const Model::Impl& model = *impl_->model.impl_;
  std::vector<ChatMessage> messages = impl_->messages;
  messages.push_back({"user", std::string(message)});
  const std::vector<TokenId> ids = model.encode(messages);

  // The last token of a prompt always runs, since its logits are wanted.
  const auto differ = std::ranges::mismatch(ids, impl_->held).in1;
  const auto same = std::min<std::ptrdiff_t>(differ - ids.begin(), std::ssize(ids) - 1);
  impl_->sequence.truncate(std::max<std::ptrdiff_t>(same, 0));
  impl_->held.resize(static_cast<std::size_t>(impl_->sequence.length()));

  const auto job = std::make_shared<Job>(model.generator(), ids, model.with_stops(options),
                                         text_only(callback, true));
  std::swap(job->sequence(), impl_->sequence);
  run_alone(*model.decoder, job);
  std::swap(job->sequence(), impl_->sequence);
  const auto held = job->tokens().first(static_cast<std::size_t>(impl_->sequence.length()));
  Reply reply;
  try {
    reply = job->take_reply();
  } catch (...) {
    impl_->sequence.truncate(std::ssize(impl_->held));
    throw;
  }
  impl_->held.assign(held.begin(), held.end());
  messages.push_back({"assistant", reply.text});
  impl_->messages = std::move(messages);
  return reply;
}

std::span<const ChatMessage> Chat::messages() const noexcept { return impl_->messages; }

void Chat::clear() {
  const bool has_system = !impl_->messages.empty() && impl_->messages.front().role == "system";
  impl_->messages.resize(has_system ? 1 : 0);
  impl_->sequence.truncate(0);
  impl_->held.clear();
}

}  // namespace quern::llm
