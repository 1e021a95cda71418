#include <algorithm>
#include <set>

#include "quern/serve/config.h"
#include "serve/error.h"

namespace quern::serve {
namespace {

constexpr std::int64_t kHighestPrice = 1'000'000'000'000;  // a million units of the currency
constexpr std::int64_t kHighestRate = 1'000'000'000;
constexpr std::int64_t kHighestQuota = 1'000'000'000'000'000;
constexpr std::int64_t kMostTokens = std::int64_t{1} << 40;
constexpr std::size_t kLongestName = 128;

void check_range(const std::string& path, std::int64_t value, std::int64_t least,
                 std::int64_t most) {
  require(value >= least && value <= most, "\"{}\": expected {} to {}, got {}", path, least, most,
          value);
}

void check_name(const std::string& path, const std::string& name) {
  const bool printable = std::ranges::none_of(
      name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  require(!name.empty() && name.size() <= kLongestName && printable,
          "\"{}\": expected a name of 1 to {} bytes with no control characters, got \"{}\"", path,
          kLongestName, name);
}

void check_prices(const std::string& path, const Prices& prices) {
  check_range(path + ".input_per_million", prices.input_per_million, 0, kHighestPrice);
  check_range(path + ".output_per_million", prices.output_per_million, 0, kHighestPrice);
  check_range(path + ".per_thousand_calls", prices.per_thousand_calls, 0, kHighestPrice);
}

void check_plan(const std::string& path, const Plan& plan) {
  check_prices(path + ".prices", plan.prices);
  bool costs = plan.prices != Prices{};
  for (const auto& [model, prices] : plan.model_prices) {
    check_name(path + ".model_prices", model);
    check_prices(path + ".model_prices." + model, prices);
    costs = costs || prices != Prices{};
  }
  require(costs == (plan.billing != Billing::free),
          "\"{}\": a free plan has no prices, and another has some", path);
  check_range(path + ".monthly_requests", plan.monthly_requests, 0, kHighestQuota);
  check_range(path + ".monthly_tokens", plan.monthly_tokens, 0, kHighestQuota);
  check_range(path + ".requests_per_minute", plan.requests_per_minute, 0, kHighestRate);
  check_range(path + ".tokens_per_minute", plan.tokens_per_minute, 0, kHighestRate);
  check_range(path + ".priority", plan.priority, -100, 100);
  for (const std::string& model : plan.models) check_name(path + ".models", model);
}

void check_models(const Config& config) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < config.models.size(); ++i) {
    const ModelConfig& model = config.models[i];
    const std::string path = fmt::format("models[{}]", i);
    check_name(path + ".name", model.name);
    require(names.insert(model.name).second, "\"{}.name\": \"{}\" is the name of another model",
            path, model.name);
    require(!model.path.empty(), "\"{}.path\" is empty", path);
    check_range(path + ".context_length", model.context_length, 0, 1 << 24);
    check_range(path + ".kv_tokens", model.kv_tokens, 0, kMostTokens);
    check_range(path + ".max_batch", model.max_batch, 1, 4096);
    check_range(path + ".max_delay_ms", model.max_delay_ms, 0, 60'000);
  }
}

void check_limits(const RequestLimits& limits) {
  check_range("limits.max_body_bytes", limits.max_body_bytes, 1, 1 << 30);
  check_range("limits.max_bodies_bytes", limits.max_bodies_bytes, 1, std::int64_t{1} << 40);
  check_range("limits.max_header_bytes", limits.max_header_bytes, 256, 1 << 20);
  check_range("limits.max_connections", limits.max_connections, 1, 65'536);
  check_range("limits.max_queue", limits.max_queue, 1, 1 << 20);
  check_range("limits.max_tokens", limits.max_tokens, 1, 1 << 24);
  check_range("limits.max_request_seconds", limits.max_request_seconds, 1, 86'400);
  check_range("limits.idle_seconds", limits.idle_seconds, 1, 86'400);
}

bool names_loopback(const std::string& host) {
  const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host == "::1" || (numeric && host.starts_with("127."));
}

}  // namespace

void check(const Config& config) {
  require(!config.host.empty(), "\"host\" is empty");
  check_range("port", config.port, 0, 65'535);
  check_range("threads", config.threads, 0, 4096);
  const bool letters =
      std::ranges::all_of(config.currency, [](char c) { return c >= 'A' && c <= 'Z'; });
  require(config.currency.size() == 3 && letters,
          "\"currency\": expected three capital letters, got \"{}\"", config.currency);
  check_models(config);
  for (const auto& [name, plan] : config.plans) {
    check_name("plans", name);
    check_plan("plans." + name, plan);
  }
  check_limits(config.limits);
  require(config.tls.certificate.empty() == config.tls.private_key.empty(),
          "\"tls\": a certificate and its private_key go together");
  for (const std::string& origin : config.cors_origins) {
    require(origin == "*" || origin.starts_with("http://") || origin.starts_with("https://"),
            "\"cors_origins\": expected \"*\" or an origin such as \"https://example.org\", got "
            "\"{}\"",
            origin);
  }
  require(config.plans.empty() || !config.ledger.empty(),
          "\"plans\" need a \"ledger\": the file that keys and usage are kept in");
  require(!config.plans.empty() || names_loopback(config.host),
          "\"host\": without plans no key is asked for, so only a loopback address may be bound, "
          "not \"{}\"",
          config.host);
}

}  // namespace quern::serve
