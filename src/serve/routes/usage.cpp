#include <fmt/chrono.h>
#include <fmt/format.h>

#include "quern/error.h"
#include "serve/members.h"
#include "serve/routes/table.h"

namespace quern::serve {
namespace {

std::chrono::year_month month_of(const Request& request) {
  const std::string text = request.query_value("month");
  if (text.empty()) {
    const std::chrono::year_month_day today(
        std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()));
    return today.year() / today.month();
  }
  try {
    return parse_month(text);
  } catch (const Error& error) {
    throw bad_member("month", error.what());
  }
}

Json describe(const UsageLine& line) {
  return {{"day", line.day},
          {"model", line.model},
          {"requests", line.calls},
          {"prompt_tokens", line.prompt_tokens},
          {"completion_tokens", line.completion_tokens},
          {"cost", format_amount(line.amount)}};
}

}  // namespace

void usage(Exchange& exchange) {
  const std::chrono::year_month month = month_of(exchange.request);
  Json data = Json::array();
  for (const UsageLine& line : exchange.service.meter.daily(exchange.caller, month)) {
    data.push_back(describe(line));
  }
  Json answer{{"object", "usage"},
              {"month", fmt::format("{:04}-{:02}", int(month.year()), unsigned(month.month()))},
              {"currency", exchange.service.config.currency},
              {"data", std::move(data)}};
  if (!exchange.caller.plan.empty()) answer["plan"] = exchange.caller.plan;
  exchange.reply.send(200, kJson, dump(answer));
}

}  // namespace quern::serve
