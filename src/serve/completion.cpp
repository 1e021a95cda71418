#include "serve/completion.h"

#include <fmt/format.h>

#include <utility>

#include "serve/mailbox.h"
#include "serve/metered_call.h"
#include "serve/refusal.h"
#include "serve/sse.h"

namespace quern::serve {
namespace {

using std::chrono::milliseconds;
using Deadline = std::chrono::steady_clock::time_point;

// At which a client that left is noticed, at the second look where the network is slow. Each wakes
// a thread of each request.
constexpr milliseconds kLookInterval{90};

std::string_view reason_of(const llm::Reply& reply, bool client_left) {
  if (reply.finish_reason != llm::FinishReason::cancelled) return to_string(reply.finish_reason);
  return client_left ? "cancelled" : "length";  // the time for one request is over
}

Json describe(const llm::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

/// A completion while it is generated and answered.
class Run {
 public:
  Run(Exchange& exchange, Completion completion, CompletionFormat& format)
      : exchange_(exchange),
        completion_(std::move(completion)),
        format_(format),
        choices_(completion_.prompts.size() * static_cast<std::size_t>(completion_.n)),
        call_(exchange, demand()),
        mailbox_(choices_) {}

  void submit() {
    for (std::size_t choice = 0; choice < choices_; ++choice) {
      const auto n = static_cast<std::size_t>(completion_.n);
      llm::Request request{.prompt = completion_.prompts[choice / n],
                           .options = completion_.options,
                           .tenant = exchange_.caller.account == 0
                                         ? std::string{}
                                         : std::to_string(exchange_.caller.account),
                           .priority = call_.priority(),
                           .done = [this] { mailbox_.finish(); }};
      request.options.seed += choice % n;
      if (completion_.stream) {
        request.callback = [this, choice](const llm::Delta& delta) {
          mailbox_.put(choice, delta);
          return Flow::keep_going;
        };
      }
      generations_.push_back(completion_.model->engine().submit(std::move(request)));
    }
  }

  void answer_whole() {
    follow([](const auto&) { return true; });
    collect();
    bill();
    if (left_) return;
    Json choices = Json::array();
    for (std::size_t i = 0; i < choices_; ++i) {
      choices.push_back(format_.whole(i, replies_[i], reason_of(replies_[i], left_)));
    }
    exchange_.reply.send(200, kJson,
                         dump({{"id", id()},
                               {"object", format_.object()},
                               {"created", created_},
                               {"model", completion_.model->name()},
                               {"choices", std::move(choices)},
                               {"usage", describe(usage_)}}));
  }

  void answer_streamed() {
    EventStream events(exchange_.reply);
    for (std::size_t i = 0; i < choices_; ++i) {
      if (const Json opening = format_.opening(i); !opening.is_null()) events.add(chunk(opening));
    }
    left_ = !events.flush();
    try {
      follow([&](const std::vector<Mailbox::Piece>& pieces) {
        for (const auto& [choice, text, tokens, logprobs] : pieces) {
          delivered_ += tokens;
          events.add(chunk(format_.grown(choice, text, logprobs)));
        }
        call_.deliver(delivered_);
        return pieces.empty() || events.flush();
      });
      collect();
      bill();
    } catch (const std::exception&) {
      events.clear();
      events.add(error_body(500, "the server failed"));
      events.flush();
      throw;
    }
    if (!left_) close(events);
  }

 private:
  Demand demand() const {
    Demand demand{.model = completion_.model->name(),
                  .id = completion_.stream ? exchange_.id : std::string()};
    for (const auto& prompt : completion_.prompts) demand.prompt_tokens += std::ssize(prompt);
    demand.completion_tokens = completion_.options.max_tokens * static_cast<std::int64_t>(choices_);
    return demand;
  }

  /// Hands what is generated to `write` until all of it is there; cancels where the client has
  /// left, which `write` may say too, or the time is over.
  template <class Write>
  void follow(const Write& write) {
    const Deadline end = exchange_.request.started +
                         std::chrono::seconds(exchange_.service.config.limits.max_request_seconds);
    Deadline look = Deadline::clock::now() + kLookInterval;
    std::vector<Mailbox::Piece> pieces;
    for (bool finished = false; !finished;) {
      finished = mailbox_.take(pieces, kLookInterval);
      if (!left_) left_ = !write(pieces);
      const Deadline now = Deadline::clock::now();
      if (!left_ && !finished && now >= look) {
        left_ = exchange_.reply.gone();
        look = now + kLookInterval;
      }
      if (left_ || now >= end) {
        for (llm::Generation& generation : generations_) generation.cancel();
      }
    }
  }

  void collect() {
    for (std::size_t i = 0; i < choices_; ++i) {
      replies_.push_back(generations_[i].wait());
      const llm::Reply& reply = replies_.back();
      if (i % static_cast<std::size_t>(completion_.n) == 0) {  // a prompt is counted once
        usage_.prompt_tokens += reply.usage.prompt_tokens;
        usage_.cached_tokens += reply.usage.cached_tokens;
      }
      usage_.completion_tokens += reply.usage.completion_tokens;
      measure(reply);
    }
    measure_tokens();
  }

  void measure(const llm::Reply& reply) {
    Metrics& metrics = exchange_.service.metrics;
    const std::int64_t tokens = reply.usage.completion_tokens;
    if (tokens > 0) {
      metrics.observe("quern_time_to_first_token_seconds", labels_,
                      reply.timings.queue_seconds + reply.timings.prefill_seconds);
    }
    if (tokens > 1) {
      metrics.observe("quern_time_per_token_seconds", labels_,
                      reply.timings.decode_seconds / static_cast<double>(tokens - 1));
    }
  }

  void measure_tokens() {
    Metrics& metrics = exchange_.service.metrics;
    metrics.add("quern_prompt_tokens_total", labels_, static_cast<double>(usage_.prompt_tokens));
    metrics.add("quern_cached_tokens_total", labels_, static_cast<double>(usage_.cached_tokens));
    metrics.add("quern_completion_tokens_total", labels_,
                static_cast<double>(usage_.completion_tokens));
    if (left_) metrics.add("quern_cancelled_total", labels_);
  }

  void bill() {
    call_.bill({.finish_reason = reason_of(replies_.front(), left_),
                .prompt_tokens = usage_.prompt_tokens,
                .completion_tokens = usage_.completion_tokens});
  }

  void close(EventStream& events) {
    for (std::size_t i = 0; i < choices_; ++i) {
      events.add(chunk(format_.closing(i, reason_of(replies_[i], left_))));
    }
    if (completion_.include_usage) events.add(frame("", dump(describe(usage_))));
    events.add("[DONE]");
    if (events.flush()) exchange_.reply.end();
  }

  std::string chunk(const Json& choice) { return frame(dump(choice), "null"); }

  std::string frame(std::string_view choice, std::string_view usage) {
    if (head_.empty()) {
      head_ = dump({{"id", id()},
                    {"object", format_.chunk_object()},
                    {"created", created_},
                    {"model", completion_.model->name()}});
      head_.pop_back();
    }
    if (!completion_.include_usage) return fmt::format("{},\"choices\":[{}]}}", head_, choice);
    return fmt::format("{},\"choices\":[{}],\"usage\":{}}}", head_, choice, usage);
  }

  /// That of the request with the route's own beginning.
  std::string id() const {
    return fmt::format("{}{}", format_.id_prefix(),
                       exchange_.id.substr(exchange_.id.find('_') + 1));
  }

  Exchange& exchange_;
  const Completion completion_;
  CompletionFormat& format_;
  const std::size_t choices_;
  const Labels labels_{{"model", completion_.model->name()}};
  const std::int64_t created_ =
      std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  MeteredCall call_;
  Mailbox mailbox_;
  std::vector<llm::Generation> generations_;  // after what their callbacks use
  std::vector<llm::Reply> replies_;
  llm::Usage usage_;
  std::int64_t delivered_ = 0;  ///< tokens of a stream
  std::string head_;            ///< of each chunk, without the brace that ends it
  bool left_ = false;           ///< the client
};

}  // namespace

void allow_prompt(Exchange& exchange, const LanguageModel& model, std::size_t bytes) {
  const std::int64_t longest = model.longest_piece();
  const std::int64_t context = model.model().context_length();
  const auto least = (static_cast<std::int64_t>(bytes) + longest - 1) / longest;
  if (least > context) {
    throw ApiError(
        400,
        fmt::format("the prompt has {} bytes, and the model's context of {} tokens takes "
                    "{} at most",
                    bytes, context, context * longest),
        {.code = "context_length_exceeded"});
  }
  require_allowed(exchange.service.meter.allow_work(
      exchange.caller, {.model = model.name(), .prompt_tokens = least, .completion_tokens = 1}));
}

std::string token_text(const Tokenizer& tokenizer, TokenId token) {
  return tokenizer.is_special(token) ? tokenizer.decode({&token, 1}, /*keep_special=*/true)
                                     : tokenizer.piece(token);
}

Json bytes_of(std::string_view text) {
  Json bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

void complete(Exchange& exchange, Completion completion, CompletionFormat& format) {
  const bool stream = completion.stream;
  Run run(exchange, std::move(completion), format);
  run.submit();
  if (stream) {
    run.answer_streamed();
  } else {
    run.answer_whole();
  }
}

}  // namespace quern::serve
