#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/table.h"
#include "quern/serve/accounts.h"

namespace quern::cli {
namespace {

struct KeysArguments {
  std::string config = "quern.json";
  std::string name;
  std::string plan;
  std::string key;
  std::string credit = "0";
  std::uint64_t grace = 0;
  bool json = false;
};
using Arguments = std::shared_ptr<KeysArguments>;

serve::Accounts open_accounts(const KeysArguments& arguments) {
  return serve::Accounts(serve::Config::load(arguments.config));
}

std::string time_text(serve::Seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

std::string time_text(const std::optional<serve::Seconds>& time, const char* otherwise) {
  return time ? time_text(*time) : otherwise;
}

nlohmann::json to_json(const serve::KeyInfo& info) {
  const auto time = [](const std::optional<serve::Seconds>& at) {
    if (!at) return nlohmann::json(nullptr);
    std::string text = time_text(*at) + "Z";
    text[text.find(' ')] = 'T';
    return nlohmann::json(text);
  };
  return {{"id", info.id},
          {"name", info.name},
          {"plan", info.plan},
          {"state", serve::to_string(info.state)},
          {"created", time(info.created)},
          {"expires", time(info.expires)},
          {"last_used", time(info.last_used)},
          {"credit_micros", info.credit}};
}

/// The key goes to stdout alone, so that it can be piped to where it is kept.
void print_issued(const serve::IssuedKey& issued, bool json) {
  if (json) {
    nlohmann::json all = to_json(issued.info);
    all["key"] = issued.key;
    std::cout << all.dump(2) << "\n";
    return;
  }
  std::cerr << "The key of \"" << issued.info.name << "\" (plan " << issued.info.plan << ", id "
            << issued.info.id << "). It is not shown again: only a hash of it is stored.\n";
  std::cout << issued.key << "\n";
}

void list(const KeysArguments& arguments) {
  const auto keys = open_accounts(arguments).list();
  if (arguments.json) {
    nlohmann::json all = nlohmann::json::array();
    for (const serve::KeyInfo& info : keys) all.push_back(to_json(info));
    std::cout << all.dump(2) << "\n";
    return;
  }
  using Align = Table::Align;
  Table table({{"account"},
               {"id"},
               {"plan"},
               {"state"},
               {"created (UTC)"},
               {"expires"},
               {"last used"},
               {"credit", Align::right}});
  for (const serve::KeyInfo& info : keys) {
    table.add_row({info.name, info.id, info.plan, std::string(serve::to_string(info.state)),
                   time_text(info.created), time_text(info.expires, "-"),
                   time_text(info.last_used, "never"),
                   info.credit > 0 ? serve::format_amount(info.credit) : "-"});
  }
  table.print(std::cout);
}

CLI::App* add_command(CLI::App& keys, const Arguments& arguments, const char* name,
                      const char* what, void (*run)(const KeysArguments&)) {
  CLI::App* command = keys.add_subcommand(name, what);
  command->add_option("-c,--config", arguments->config, "The service's configuration")
      ->capture_default_str();
  command->callback([arguments, run] { run(*arguments); });
  return command;
}

void add_key_option(CLI::App* command, const Arguments& arguments, const char* what) {
  command->add_option("key", arguments->key, what)->required();
}

}  // namespace

void add_keys(CLI::App& app) {
  const auto arguments = std::make_shared<KeysArguments>();
  CLI::App& keys = *app.add_subcommand("keys", "Make, list and end the API keys of a service");
  keys.require_subcommand(1);

  CLI::App* create =
      add_command(keys, arguments, "create", "Open an account and print its key, once",
                  [](const KeysArguments& a) {
                    const std::int64_t credit = serve::parse_amount(a.credit);
                    print_issued(open_accounts(a).create(a.name, a.plan, credit), a.json);
                  });
  create->add_option("--name", arguments->name, "Who it is for; one account a name")->required();
  create->add_option("--plan", arguments->plan, "A plan of the configuration")->required();
  create
      ->add_option("--credit", arguments->credit,
                   "What a prepaid account may spend, as 25 or 0.50 of the currency")
      ->capture_default_str();
  create->add_flag("--json", arguments->json, "Print JSON");

  add_command(keys, arguments, "list", "Show all keys, by their public ids", list)
      ->add_flag("--json", arguments->json, "Print JSON");

  CLI::App* revoke =
      add_command(keys, arguments, "revoke", "End a key, or all of an account, at once",
                  [](const KeysArguments& a) { open_accounts(a).revoke(a.key); });
  add_key_option(revoke, arguments, "The id of a key, or the name of an account");

  CLI::App* rotate =
      add_command(keys, arguments, "rotate", "Give an account another key and print it, once",
                  [](const KeysArguments& a) {
                    const std::chrono::seconds grace(static_cast<std::int64_t>(a.grace));
                    print_issued(open_accounts(a).rotate(a.key, grace), a.json);
                  });
  add_key_option(rotate, arguments, "The name of the account, or the id of its key");
  const std::map<std::string, std::uint64_t> units{
      {"s", 1}, {"m", 60}, {"h", 60 * 60}, {"d", 24 * 60 * 60}};
  rotate
      ->add_option("--grace", arguments->grace,
                   "How long the old key still works, as 90s, 30m, 12h or 7d; default: not at all")
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_SENSITIVE));
  rotate->add_flag("--json", arguments->json, "Print JSON");

  CLI::App* credit =
      add_command(keys, arguments, "credit", "Add to what a prepaid account may spend",
                  [](const KeysArguments& a) {
                    open_accounts(a).add_credit(a.key, serve::parse_amount(a.credit));
                  });
  add_key_option(credit, arguments, "The name of the account, or the id of its key");
  credit->add_option("amount", arguments->credit, "As 25 or 0.50 of the currency")->required();
}

}  // namespace quern::cli
