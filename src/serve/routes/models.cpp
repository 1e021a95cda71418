#include <fmt/format.h>

#include "serve/members.h"
#include "serve/routes/table.h"

namespace quern::serve {
namespace {

Json describe(const LanguageModel& model) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(model.added().time_since_epoch());
  return {{"id", model.name()},
          {"object", "model"},
          {"created", seconds.count()},
          {"owned_by", "quern"},
          {"context_length", model.model().context_length()}};
}

}  // namespace

void list_models(Exchange& exchange) {
  Json data = Json::array();
  for (const auto& model : exchange.service.models.all<LanguageModel>()) {
    if (exchange.service.meter.may_use(exchange.caller, model->name())) {
      data.push_back(describe(*model));
    }
  }
  exchange.reply.send(200, kJson, dump({{"object", "list"}, {"data", data}}));
}

void show_model(Exchange& exchange) {
  const auto model = exchange.find_model<LanguageModel>(exchange.name);
  if (!model) {
    throw ApiError(404, fmt::format("the model \"{}\" does not exist", exchange.name),
                   {.param = "model", .code = "model_not_found"});
  }
  exchange.reply.send(200, kJson, dump(describe(*model)));
}

}  // namespace quern::serve
