#include <algorithm>
#include <mutex>

#include "core/error.h"
#include "llm/model_impl.h"
#include "llm/scheduler.h"

namespace quern::llm {

namespace {

/// The job of the turn that is under way, for those who would cancel it.
class Turn {
 public:
  void begin() {
    const std::scoped_lock lock(mutex_);
    running_ = true;
    cancelled_ = false;
  }
  void set(std::shared_ptr<Job> job) {
    const std::scoped_lock lock(mutex_);
    job->cancelled = cancelled_;
    job_ = std::move(job);
  }
  void end() noexcept {
    const std::scoped_lock lock(mutex_);
    running_ = false;
    job_.reset();
  }
  void cancel() noexcept {
    const std::scoped_lock lock(mutex_);
    cancelled_ = running_;
    if (job_) job_->cancelled = true;
  }

 private:
  std::mutex mutex_;
  bool running_ = false;
  bool cancelled_ = false;
  std::shared_ptr<Job> job_;
};

/// Begins a turn, and ends it however it goes.
class TurnScope {
 public:
  explicit TurnScope(Turn& turn) : turn_(turn) { turn_.begin(); }
  TurnScope(const TurnScope&) = delete;
  TurnScope& operator=(const TurnScope&) = delete;
  ~TurnScope() { turn_.end(); }

 private:
  Turn& turn_;
};

}  // namespace

struct Chat::Impl {
  explicit Impl(const Model& given) : model(given), sequence(given.impl_->pool) {}

  Model model;
  std::vector<ChatMessage> messages;
  KvSequence sequence;
  std::vector<TokenId> held;  // the tokens whose keys and values `sequence` holds
  Turn turn;
};

Chat::Chat(const Model& model, const ChatOptions& options) : impl_(std::make_unique<Impl>(model)) {
  model.tokenizer();
  model.chat_template().render_pieces(std::vector{ChatMessage{"user", "Hello"}});
  if (!options.system.empty()) impl_->messages.push_back({"system", options.system});
}

Chat::Chat(Chat&&) noexcept = default;
Chat& Chat::operator=(Chat&&) noexcept = default;
Chat::~Chat() = default;

Reply Chat::send(std::string_view message, const GenerateOptions& options,
                 const StreamCallback& callback) {
  const TurnScope scope(impl_->turn);
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
  impl_->turn.set(job);
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
  if (reply.finish_reason == FinishReason::cancelled && reply.tokens.empty()) return reply;
  messages.push_back({"assistant", reply.text});
  impl_->messages = std::move(messages);
  return reply;
}

void Chat::cancel() noexcept { impl_->turn.cancel(); }

std::span<const ChatMessage> Chat::messages() const noexcept { return impl_->messages; }

void Chat::clear() {
  const bool has_system = !impl_->messages.empty() && impl_->messages.front().role == "system";
  impl_->messages.resize(has_system ? 1 : 0);
  impl_->sequence.truncate(0);
  impl_->held.clear();
}

}  // namespace quern::llm
