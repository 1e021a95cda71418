#include <doctest/doctest.h>

#include "quern/serve/config.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

std::string message_of(const std::string& json) {
  try {
    Config::parse(json, "quern.json");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_argument);
    return error.what();
  }
  return "";
}

struct Case {
  const char* json;
  const char* message;  ///< a part of it
};

}  // namespace

TEST_CASE("a configuration may say nothing: a keyless service of this machine alone") {
  const Config config = Config::parse("{}", "quern.json");
  CHECK(config.host == "127.0.0.1");
  CHECK(config.port == 8080);
  CHECK(config.plans.empty());
  CHECK(config.ledger.empty());
}

TEST_CASE("every member of a configuration is read") {
  const Config config = Config::parse(R"({
    "host": "0.0.0.0", "port": 443, "threads": 8, "ledger": "usage.db", "currency": "CHF",
    "models": [
      {"name": "small", "path": "small.gguf", "exact": true, "context_length": 2048, "max_batch": 16,
       "max_delay_ms": 5, "kv_tokens": 4096, "rows_are_independent": true},
      {"name": "big", "path": "/models/big"}],
    "plans": {
      "trial": {"monthly_requests": 100, "monthly_tokens": 50000, "requests_per_minute": 3,
                "tokens_per_minute": 2000, "models": ["small"], "priority": -5},
      "pro": {"billing": "pay_as_you_go",
              "prices": {"input_per_million": 150000, "output_per_million": 600000,
                         "per_thousand_calls": 20000},
              "model_prices": {"big": {"input_per_million": 3000000}}},
      "voucher": {"billing": "prepaid", "prices": {"per_thousand_calls": 1}}},
    "limits": {"max_body_bytes": 1000, "max_bodies_bytes": 9000, "max_header_bytes": 2000, "max_connections": 3, "max_queue": 4,
               "max_tokens": 5, "max_request_seconds": 6, "idle_seconds": 7},
    "tls": {"certificate": "cert.pem", "private_key": "key.pem"},
    "cors_origins": ["https://example.org"]})",
                                      "quern.json");
  CHECK(config.host == "0.0.0.0");
  CHECK(config.port == 443);
  CHECK(config.threads == 8);
  CHECK(config.currency == "CHF");
  REQUIRE(config.models.size() == 2);
  CHECK(config.models[0].exact);
  CHECK(config.models[0].context_length == 2048);
  CHECK(config.models[0].kv_tokens == 4096);
  CHECK(config.models[0].max_batch == 16);
  CHECK(config.models[0].max_delay_ms == 5);
  CHECK(config.models[0].rows_are_independent);
  CHECK_FALSE(config.models[1].rows_are_independent);
  CHECK(config.models[1].path == "/models/big");
  const Plan& trial = config.plans.at("trial");
  CHECK(trial.billing == Billing::free);
  CHECK(trial.monthly_requests == 100);
  CHECK(trial.monthly_tokens == 50000);
  CHECK(trial.requests_per_minute == 3);
  CHECK(trial.tokens_per_minute == 2000);
  CHECK(trial.models == std::vector<std::string>{"small"});
  CHECK(trial.priority == -5);
  const Plan& pro = config.plans.at("pro");
  CHECK(pro.billing == Billing::pay_as_you_go);
  CHECK(pro.prices == Prices{150000, 600000, 20000});
  CHECK(pro.model_prices.at("big") == Prices{3000000, 0, 0});
  CHECK(config.plans.at("voucher").billing == Billing::prepaid);
  CHECK(config.limits.max_body_bytes == 1000);
  CHECK(config.limits.max_bodies_bytes == 9000);
  CHECK(config.limits.max_header_bytes == 2000);
  CHECK(config.limits.max_connections == 3);
  CHECK(config.limits.max_queue == 4);
  CHECK(config.limits.max_tokens == 5);
  CHECK(config.limits.max_request_seconds == 6);
  CHECK(config.limits.idle_seconds == 7);
  CHECK(config.tls.private_key == "key.pem");
  CHECK(config.cors_origins == std::vector<std::string>{"https://example.org"});
}

TEST_CASE(
    "a member that is not known is named with its path, and those that are known are listed") {
  const Case cases[] = {
      {R"({"prot": 1})", "quern.json: \"prot\" is not known; what may stand there: host, port, "},
      {R"({"plans": {"pro": {"prices": {"input": 1}}}})",
       "\"plans.pro.prices.input\" is not known; what may stand there: input_per_million, "
       "output_per_million, per_thousand_calls"},
      {R"({"models": [{"name": "a", "path": "b"}, {"name": "c", "path": "d", "speed": 1}]})",
       "\"models[1].speed\" is not known"},
      {R"({"tls": {"cert": ""}})", "\"tls.cert\" is not known"},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.json);
    CHECK_MESSAGE(message_of(bad.json).find(bad.message) != std::string::npos,
                  message_of(bad.json));
  }
}

TEST_CASE("a member of a wrong type or out of range is named with its path and value") {
  const Case cases[] = {
      {R"({"port": "80"})", "quern.json: \"port\": expected a whole number, got \"80\""},
      {R"({"port": 80.5})", "\"port\": expected a whole number, got 80.5"},
      {R"({"port": 65536})", "\"port\": expected 0 to 65535, got 65536"},
      {R"({"port": 4294967376})", "\"port\": expected a number of 32 bits, got 4294967376"},
      {R"({"threads": 18446744073709551615})", "\"threads\": expected a whole number"},
      {R"({"host": null})", "\"host\": expected a string, got null"},
      {R"({"models": {}})", "\"models\": expected an array of objects"},
      {R"({"models": [1]})", "\"models[0]\": expected an object, got 1"},
      {R"({"models": [{"name": "a"}]})", "\"models[0].path\": expected a string, got nothing"},
      {R"({"models": [{"name": "", "path": "b"}]})", "\"models[0].name\": expected a name"},
      {R"({"models": [{"name": "a", "path": "b", "exact": 1}]})",
       "\"models[0].exact\": expected true or false, got 1"},
      {R"({"models": [{"name": "a", "path": "b"}, {"name": "a", "path": "c"}]})",
       "\"models[1].name\": \"a\" is the name of another model"},
      {R"({"plans": []})", "\"plans\": expected an object of objects by name"},
      {R"({"ledger": "u", "plans": {"p": {"billing": "cash"}}})",
       "\"plans.p.billing\": expected free, prepaid or pay_as_you_go, got \"cash\""},
      {R"({"ledger": "u", "plans": {"p": {"billing": "prepaid", "prices": {"per_thousand_calls": -1}}}})",
       "\"plans.p.prices.per_thousand_calls\": expected 0 to 1000000000000, got -1"},
      {R"({"ledger": "u", "plans": {"p": {"priority": 101}}})",
       "\"plans.p.priority\": expected -100 to 100, got 101"},
      {R"({"ledger": "u", "plans": {"p": {"models": ["a", 1]}}})",
       "\"plans.p.models\": expected an array of strings"},
      {R"({"limits": {"max_tokens": 0}})", "\"limits.max_tokens\": expected 1 to"},
      {R"({"currency": "euro"})", "\"currency\": expected three capital letters"},
      {R"({"cors_origins": ["example.org"]})", "\"cors_origins\": expected"},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.json);
    CHECK_MESSAGE(message_of(bad.json).find(bad.message) != std::string::npos,
                  message_of(bad.json));
  }
}

TEST_CASE("members that do not fit together are refused") {
  const Case cases[] = {
      {R"({"plans": {"p": {}}})", "\"plans\" need a \"ledger\""},
      {R"({"host": "0.0.0.0"})", "only a loopback address may be bound"},
      {R"({"host": "127.example.org"})", "only a loopback address may be bound"},
      {R"({"ledger": "u", "plans": {"p": {"prices": {"per_thousand_calls": 1}}}})",
       "a free plan has no prices"},
      {R"({"ledger": "u", "plans": {"p": {"billing": "prepaid"}}})", "a free plan has no prices"},
      {R"({"tls": {"certificate": "c"}})", "a certificate and its private_key go together"},
      {R"({"ledger": "u", "models": [{"name": "a", "path": "b"}], "plans": {"p": {"models": ["c"]}}})",
       "\"plans.p.models\": no model is called \"c\""},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.json);
    CHECK_MESSAGE(message_of(bad.json).find(bad.message) != std::string::npos,
                  message_of(bad.json));
  }
}

TEST_CASE("what is not one JSON object without surprises is refused") {
  for (const std::string& text :
       {std::string(""), std::string("[]"), std::string("{"), std::string("{} {}"),
        std::string("{\"host\": \"\xff\"}"), std::string(R"({"port": 1, "port": 2})"),
        std::string(R"({"plans": {"a": {"priority": 1}, "a": {}}})"),
        "{\"host\": " + std::string(100000, '[')}) {
    CAPTURE(text.substr(0, 40));
    CHECK(!message_of(text).empty());
  }
}

TEST_CASE("paths in a file are relative to its folder, and a file that is not there is not found") {
  const TemporaryFolder folder;
  const std::string path = folder.write(
      "etc/quern.json",
      R"({"ledger": "usage.db", "models": [{"name": "a", "path": "m/a.gguf"}, {"name": "b", "path": "/b"}]})");
  const Config config = Config::load(path);
  CHECK(config.ledger == folder.path("etc/usage.db"));
  CHECK(config.models[0].path == folder.path("etc/m/a.gguf"));
  CHECK(config.models[1].path == "/b");
  CHECK(code_of([&] { Config::load(folder.path("none.json")); }) == ErrorCode::not_found);
}

}  // namespace quern::serve
