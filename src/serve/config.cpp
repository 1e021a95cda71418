#include "quern/serve/config.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "serve/config_reader.h"
#include "serve/error.h"

namespace quern::serve {
namespace {

constexpr std::int64_t kLargestFile = 16 << 20;

void read_prices(ConfigObject& object, Prices& prices) {
  object.read("input_per_million", prices.input_per_million);
  object.read("output_per_million", prices.output_per_million);
  object.read("per_thousand_calls", prices.per_thousand_calls);
}

void read_billing(ConfigObject& object, Billing& billing) {
  std::string name(to_string(billing));
  object.read("billing", name);
  for (const Billing known : {Billing::free, Billing::prepaid, Billing::pay_as_you_go}) {
    billing = known;
    if (name == to_string(known)) return;
  }
  object.fail_member("billing", "free, prepaid or pay_as_you_go");
}

void read_plan(ConfigObject& object, Plan& plan) {
  read_billing(object, plan.billing);
  object.object("prices", [&](ConfigObject& below) { read_prices(below, plan.prices); });
  object.named_objects("model_prices", [&](const std::string& model, ConfigObject& below) {
    read_prices(below, plan.model_prices[model]);
  });
  object.read("monthly_requests", plan.monthly_requests);
  object.read("monthly_tokens", plan.monthly_tokens);
  object.read("requests_per_minute", plan.requests_per_minute);
  object.read("tokens_per_minute", plan.tokens_per_minute);
  object.read("models", plan.models);
  object.read("priority", plan.priority);
}

void read_model(ConfigObject& object, ModelConfig& model) {
  object.read_required("name", model.name);
  object.read_required("path", model.path);
  object.read("exact", model.exact);
  object.read("context_length", model.context_length);
  object.read("kv_tokens", model.kv_tokens);
  object.read("max_batch", model.max_batch);
  object.read("max_delay_ms", model.max_delay_ms);
  object.read("rows_are_independent", model.rows_are_independent);
}

void read_limits(ConfigObject& object, RequestLimits& limits) {
  object.read("max_body_bytes", limits.max_body_bytes);
  object.read("max_bodies_bytes", limits.max_bodies_bytes);
  object.read("max_header_bytes", limits.max_header_bytes);
  object.read("max_connections", limits.max_connections);
  object.read("max_queue", limits.max_queue);
  object.read("max_tokens", limits.max_tokens);
  object.read("max_request_seconds", limits.max_request_seconds);
  object.read("idle_seconds", limits.idle_seconds);
}

void read_config(ConfigObject& object, Config& config) {
  object.read("host", config.host);
  object.read("port", config.port);
  object.read("threads", config.threads);
  object.read("ledger", config.ledger);
  object.read("currency", config.currency);
  object.objects("models",
                 [&](ConfigObject& below) { read_model(below, config.models.emplace_back()); });
  object.named_objects("plans", [&](const std::string& name, ConfigObject& below) {
    read_plan(below, config.plans[name]);
  });
  object.object("limits", [&](ConfigObject& below) { read_limits(below, config.limits); });
  object.object("tls", [&](ConfigObject& below) {
    below.read("certificate", config.tls.certificate);
    below.read("private_key", config.tls.private_key);
  });
  object.read("cors_origins", config.cors_origins);
  object.finish();
}

/// A file that lists models is meant to list all: a price for a misspelt one would never apply.
void check_models_of(const std::string& plan_name, const Plan& plan, const Config& config) {
  const auto check_known = [&](const char* member, const std::string& model) {
    const bool known = std::ranges::any_of(
        config.models, [&](const ModelConfig& served) { return served.name == model; });
    require(known || config.models.empty(), "\"plans.{}.{}\": no model is called \"{}\"", plan_name,
            member, model);
  };
  for (const std::string& model : plan.models) check_known("models", model);
  for (const auto& [model, prices] : plan.model_prices) check_known("model_prices", model);
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorCode::not_found, "configuration \"{}\" cannot be opened", path);
  std::string text;
  char buffer[4096];
  while (file.read(buffer, sizeof buffer) || file.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(file.gcount()));
    require(static_cast<std::int64_t>(text.size()) <= kLargestFile,
            "configuration \"{}\" has more than {} bytes", path, kLargestFile);
  }
  return text;
}

void make_relative_to(const std::filesystem::path& folder, std::string& path) {
  if (!path.empty()) path = (folder / path).string();
}

}  // namespace

Config Config::parse(std::string_view json, std::string_view name) {
  ConfigObject object = ConfigObject::parse(json, name);
  Config config;
  read_config(object, config);
  try {
    check(config);
    for (const auto& [plan_name, plan] : config.plans) check_models_of(plan_name, plan, config);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", name, error.what());
  }
  return config;
}

Config Config::load(const std::string& path) {
  Config config = parse(read_text(path), path);
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  make_relative_to(folder, config.ledger);
  make_relative_to(folder, config.tls.certificate);
  make_relative_to(folder, config.tls.private_key);
  for (ModelConfig& model : config.models) make_relative_to(folder, model.path);
  return config;
}

}  // namespace quern::serve
