#include "serve/api_error.h"
#include "serve/members.h"
#include "serve/routes/table.h"

namespace quern::serve {

void health(Exchange& exchange) { exchange.reply.send(200, kJson, R"({"status":"ok"})"); }

void readiness(Exchange& exchange) {
  if (exchange.service.draining) {
    exchange.reply.send(503, kJson, R"({"status":"draining"})");
  } else if (const std::string failure = exchange.service.meter.failure(); !failure.empty()) {
    exchange.reply.send(
        503, kJson, dump({{"status", "ledger_unavailable"}, {"reason", "the ledger " + failure}}));
  } else {
    exchange.reply.send(200, kJson, R"({"status":"ready"})");
  }
}

}  // namespace quern::serve
