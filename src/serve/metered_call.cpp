#include "serve/metered_call.h"

#include <chrono>

#include "serve/refusal.h"

namespace quern::serve {

MeteredCall::MeteredCall(Exchange& exchange, const Demand& demand)
    : exchange_(exchange), admission_(exchange.service.meter.admit(exchange.caller, demand)) {
  require_allowed(admission_.decision());
  for (const auto& [name, value] : headers_of(admission_.decision())) {
    exchange.reply.set_header(name, value);
  }
}

void MeteredCall::deliver(std::int64_t completion_tokens) {
  exchange_.service.meter.deliver(admission_, completion_tokens);
}

void MeteredCall::bill(const CallUsage& usage) {
  const auto latency = std::chrono::steady_clock::now() - exchange_.request.started;
  exchange_.service.meter
      .finish(std::move(admission_),
              {.id = exchange_.id,
               .finish_reason = std::string(usage.finish_reason),
               .prompt_tokens = usage.prompt_tokens,
               .completion_tokens = usage.completion_tokens,
               .latency = std::chrono::duration_cast<std::chrono::microseconds>(latency)})
      .wait();
}

}  // namespace quern::serve
