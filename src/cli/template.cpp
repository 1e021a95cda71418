#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "quern/chat_template.h"
#include "quern/error.h"

namespace quern::cli {
namespace {

using Json = nlohmann::ordered_json;

struct TemplateArguments {
  std::string path;
  std::string input = "-";
  bool failures_only = false;
};

std::string read_all(const std::string& path) {
  if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::not_found, "cannot open \"" + path + "\"");
  return {std::istreambuf_iterator<char>(file), {}};
}

Json parse(const std::string& text, const std::string& path) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::invalid_argument, path + ": " + error.what());
  }
}

/// Noon of 30 November 2026, the time at which the outputs of cases were made.
std::int64_t time_of_cases() {
  std::tm noon{};
  noon.tm_year = 126;
  noon.tm_mon = 10;
  noon.tm_mday = 30;
  noon.tm_hour = 12;
  noon.tm_isdst = -1;
  return std::mktime(&noon);
}

/// What is wrong with a case; empty where nothing is.
std::string run_case(const ChatTemplate& chat, const Json& test) {
  const bool refuses = test.contains("error");
  std::string got;
  try {
    got = chat.render_context(test.at("context").dump(), time_of_cases());
  } catch (const Error& error) {
    return refuses ? "" : error.what();
  }
  if (refuses) return "expected a refusal, got a text";
  const auto& wanted = test.at("output").get_ref<const std::string&>();
  if (got == wanted) return "";
  std::size_t at = 0;
  while (at < std::min(got.size(), wanted.size()) && got[at] == wanted[at]) ++at;
  const auto excerpt = [at](const std::string& text) {
    const std::size_t begin = at < 20 ? 0 : at - 20;
    return Json(text.substr(begin, 60)).dump(-1, ' ', true, Json::error_handler_t::replace);
  };
  return "at byte " + std::to_string(at) + ": expected " + excerpt(wanted) + ", got " +
         excerpt(got);
}

int run_cases(const ChatTemplate& chat, const Json& cases, bool failures_only) {
  std::size_t passed = 0, failed = 0;
  for (const Json& test : cases) {
    const auto name = test.value("case", std::string("case"));
    const std::string wrong = run_case(chat, test);
    (wrong.empty() ? passed : failed) += 1;
    if (!wrong.empty()) {
      std::printf("FAIL %s: %s\n", name.c_str(), wrong.c_str());
    } else if (!failures_only) {
      std::printf("pass %s\n", name.c_str());
    }
  }
  std::printf("%zu passed, %zu failed\n", passed, failed);
  return failed > 0 ? 1 : 0;
}

/// A conversation: messages alone, or all that the template is to see.
std::string context_of(Json json) {
  if (json.is_array()) json = Json{{"messages", std::move(json)}};
  if (!json.is_object() || !json.contains("messages"))
    throw Error(
        ErrorCode::invalid_argument,
        "a conversation: expected a JSON array of messages, or an object with \"messages\"");
  if (!json.contains("add_generation_prompt")) json["add_generation_prompt"] = true;
  return json.dump();
}

/// Cases have a "context" each.
bool are_cases(const Json& json) {
  return json.is_array() && !json.empty() && json[0].is_object() && json[0].contains("context");
}

int run(const TemplateArguments& arguments) {
  const Json json = parse(read_all(arguments.input), arguments.input);
  if (!are_cases(json)) {
    std::cout << ChatTemplate::load(arguments.path).render_context(context_of(json)) << std::flush;
    return 0;
  }
  // A template that does not parse fails each case but those that are to be refused.
  ChatTemplate chat;
  try {
    chat = ChatTemplate::load(arguments.path);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::not_found) throw;
    std::fprintf(stderr, "%s\n", error.what());
    chat = ChatTemplate::parse("{{ raise_exception('the template does not parse') }}");
  }
  return run_cases(chat, json, arguments.failures_only);
}

}  // namespace

void add_template(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<TemplateArguments>();
  CLI::App* command = app.add_subcommand("template",
                                         "Render a conversation with a chat template, or try it on "
                                         "cases: exit code 1 where one fails");
  command
      ->add_option("template", arguments->path,
                   "A .jinja file, a tokenizer_config.json, a .gguf file or a Hugging Face folder")
      ->required();
  command
      ->add_option("input", arguments->input,
                   "JSON: messages, or an object with all that the template sees; or cases, each "
                   "with \"context\" and \"output\" or \"error\". Default: standard input")
      ->capture_default_str();
  command->add_flag("--failures", arguments->failures_only, "Print only cases that fail");
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace quern::cli
