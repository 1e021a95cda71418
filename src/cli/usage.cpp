#include <algorithm>
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

constexpr const char* kHelp =
    "Months and days are those of UTC. A line's amount is rounded once, and a month's total is the "
    "sum of the lines without --daily.\n"
    "csv (RFC 4180): period,account,model,currency,calls,input_tokens,output_tokens,"
    "input_per_million,output_per_million,per_thousand_calls,amount\n"
    "json: {\"month\", \"currency\", \"lines\": [{\"account\", \"model\", \"calls\", "
    "\"input_tokens\", \"output_tokens\", \"input_per_million_micros\", "
    "\"output_per_million_micros\", \"per_thousand_calls_micros\", \"amount_micros\"}], \"total\": "
    "{\"calls\", \"input_tokens\", \"output_tokens\", \"amount_micros\"}}; micros are whole "
    "millionths of the currency; with --daily each line has its \"day\" too";

struct UsageArguments {
  std::string config = "quern.json";
  std::string month;
  std::string key;
  std::string format = "table";
  bool daily = false;
};

std::string month_text(std::chrono::year_month month) {
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u", static_cast<int>(month.year()),
                static_cast<unsigned>(month.month()));
  return text;
}

std::chrono::year_month this_month() {
  const std::chrono::year_month_day today{
      std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now())};
  return today.year() / today.month();
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

void print_csv(const serve::Invoice& invoice) {
  std::cout << "period,account,model,currency,calls,input_tokens,output_tokens,input_per_million,"
               "output_per_million,per_thousand_calls,amount\r\n";
  for (const serve::UsageLine& line : invoice.lines) {
    std::cout << (line.day.empty() ? month_text(invoice.month) : line.day) << ','
              << csv_field(line.name) << ',' << csv_field(line.model) << ',' << invoice.currency
              << ',' << line.calls << ',' << line.prompt_tokens << ',' << line.completion_tokens
              << ',' << serve::format_amount(line.prices.input_per_million) << ','
              << serve::format_amount(line.prices.output_per_million) << ','
              << serve::format_amount(line.prices.per_thousand_calls) << ','
              << serve::format_amount(line.amount) << "\r\n";
  }
}

nlohmann::ordered_json sums_json(const serve::UsageLine& line) {
  return {{"calls", line.calls},
          {"input_tokens", line.prompt_tokens},
          {"output_tokens", line.completion_tokens},
          {"amount_micros", line.amount}};
}

void print_json(const serve::Invoice& invoice) {
  auto lines = nlohmann::ordered_json::array();
  for (const serve::UsageLine& line : invoice.lines) {
    nlohmann::ordered_json json;
    if (!line.day.empty()) json["day"] = line.day;
    json["account"] = line.name;
    json["model"] = line.model;
    json["input_per_million_micros"] = line.prices.input_per_million;
    json["output_per_million_micros"] = line.prices.output_per_million;
    json["per_thousand_calls_micros"] = line.prices.per_thousand_calls;
    json.update(sums_json(line));
    lines.push_back(std::move(json));
  }
  const nlohmann::ordered_json all{{"month", month_text(invoice.month)},
                                   {"currency", invoice.currency},
                                   {"lines", lines},
                                   {"total", sums_json(invoice.total)}};
  std::cout << all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

/// Amounts that stand below each other with the same number of decimals.
class Amounts {
 public:
  void see(std::int64_t micros) { decimals_ = std::max(decimals_, decimals(micros)); }
  std::string text(std::int64_t micros) const {
    return serve::format_amount(micros) + std::string(decimals_ - decimals(micros), '0');
  }

 private:
  static std::size_t decimals(std::int64_t micros) {
    const std::string text = serve::format_amount(micros);
    return text.size() - text.find('.') - 1;
  }
  std::size_t decimals_ = 2;
};

class InvoiceTable {
 public:
  explicit InvoiceTable(const serve::Invoice& invoice)
      : invoice_(invoice), daily_(!invoice.lines.empty() && !invoice.lines[0].day.empty()) {
    const auto see = [this](const serve::UsageLine& line) {
      input_.see(line.prices.input_per_million);
      output_.see(line.prices.output_per_million);
      calls_.see(line.prices.per_thousand_calls);
      amount_.see(line.amount);
    };
    for (const serve::UsageLine& line : invoice.lines) see(line);
    see(invoice.total);
  }

  void print() const {
    using Align = Table::Align;
    std::vector<Table::Column> columns{{"account"},
                                       {"model"},
                                       {"calls", Align::right},
                                       {"input tokens", Align::right},
                                       {"output tokens", Align::right},
                                       {"per M input", Align::right},
                                       {"per M output", Align::right},
                                       {"per 1000 calls", Align::right},
                                       {"amount", Align::right}};
    if (daily_) columns.insert(columns.begin(), Table::Column{"day"});
    Table table(columns);
    std::cout << "Usage of " << month_text(invoice_.month) << " (UTC), amounts in "
              << invoice_.currency << "\n\n";
    add_lines(table);
    if (!invoice_.lines.empty()) table.add_rule();
    table.add_row(sum_row("total", invoice_.total));
    table.print(std::cout);
  }

 private:
  const std::string& group_of(const serve::UsageLine& line) const {
    return daily_ ? line.day : line.name;
  }

  /// Says an account or a day once, and adds up what has several lines.
  void add_lines(Table& table) const {
    const auto& lines = invoice_.lines;
    for (std::size_t begin = 0; begin < lines.size();) {
      serve::UsageLine sum;
      std::size_t end = begin;
      for (; end < lines.size() && group_of(lines[end]) == group_of(lines[begin]); ++end) {
        table.add_row(row(lines[end], end == begin));
        sum.calls += lines[end].calls;
        sum.prompt_tokens += lines[end].prompt_tokens;
        sum.completion_tokens += lines[end].completion_tokens;
        sum.amount += lines[end].amount;
      }
      const bool is_all = end - begin == lines.size();
      if (end - begin > 1 && !is_all) table.add_row(sum_row("  sum", sum));
      begin = end;
    }
  }

  std::vector<std::string> row(const serve::UsageLine& line, bool is_first) const {
    std::vector<std::string> cells{line.name.empty() ? "(no key)" : line.name,
                                   line.model,
                                   grouped(line.calls),
                                   grouped(line.prompt_tokens),
                                   grouped(line.completion_tokens),
                                   input_.text(line.prices.input_per_million),
                                   output_.text(line.prices.output_per_million),
                                   calls_.text(line.prices.per_thousand_calls),
                                   amount_.text(line.amount)};
    if (daily_) cells.insert(cells.begin(), line.day);
    if (!is_first) cells[0].clear();
    return cells;
  }

  std::vector<std::string> sum_row(const std::string& title, const serve::UsageLine& sum) const {
    std::vector<std::string> cells{title, ""};
    if (daily_) cells.emplace_back();
    for (const std::int64_t count : {sum.calls, sum.prompt_tokens, sum.completion_tokens}) {
      cells.push_back(grouped(count));
    }
    cells.insert(cells.end(), 3, "");
    cells.push_back(amount_.text(sum.amount));
    return cells;
  }

  const serve::Invoice& invoice_;
  bool daily_;
  Amounts input_, output_, calls_, amount_;
};

void run(const UsageArguments& arguments) {
  const auto month = arguments.month.empty() ? this_month() : serve::parse_month(arguments.month);
  const serve::Accounts accounts(serve::Config::load(arguments.config));
  serve::Invoice invoice = accounts.invoice(month, arguments.key);
  if (arguments.daily) invoice.lines = accounts.daily(month, arguments.key);
  if (arguments.format == "csv") return print_csv(invoice);
  if (arguments.format == "json") return print_json(invoice);
  InvoiceTable(invoice).print();
}

}  // namespace

void add_usage(CLI::App& app) {
  auto arguments = std::make_shared<UsageArguments>();
  CLI::App* command =
      app.add_subcommand("usage", "Show what the keys of a service used, and what it costs");
  command->add_option("-c,--config", arguments->config, "The service's configuration")
      ->capture_default_str();
  command->add_option("--month", arguments->month, "As 2026-11; default: this month");
  command->add_option("--key", arguments->key,
                      "Only this account (by name) or key (by id); default: all");
  command->add_option("--format", arguments->format, "table, csv or json")
      ->capture_default_str()
      ->check(CLI::IsMember({"table", "csv", "json"}));
  command->add_flag("--daily", arguments->daily, "A line for each day too");
  command->footer(kHelp);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace quern::cli
