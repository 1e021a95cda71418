#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/program.h"
#include "support/temporary_folder.h"
#include "support/test_data.h"

namespace quern {
namespace {

const std::string kModel = "examples/models/storyteller-q8_0.gguf";

}  // namespace

TEST_CASE("generate streams the prompt and its continuation, with rates on stderr") {
  const Run first =
      run("generate -m " + kModel + " -p 'Once upon a time' -n 20 --temp 0 --threads 1");
  CHECK(first.exit_code == 0);
  CHECK(first.out.starts_with("Once upon a time, "));
  CHECK(first.err.find("prompt: 5 tokens") != std::string::npos);
  CHECK(first.err.find("decode: 20 tokens") != std::string::npos);
  CHECK(run("generate -m " + kModel + " -p 'Once upon a time' -n 20 --temp 0").out == first.out);
}

TEST_CASE("generate --json gives the text, its tokens and usage") {
  const Run result = run("generate -m " + kModel + " -p 'One day' -n 7 --seed 3 --json");
  const auto json = nlohmann::json::parse(result.out);
  CHECK(json["usage"]["completion_tokens"] == 7);
  CHECK(json["tokens"].size() == 7);
  CHECK(json["finish_reason"] == "length");
  CHECK(result.err.empty());
}

TEST_CASE("inspect prints a table, or JSON") {
  const Run table = run("inspect " + kModel);
  CHECK(table.exit_code == 0);
  for (const char* text : {"GGUF v3", "llama", "byte-level BPE", "q8_0", "memory"}) {
    CHECK_MESSAGE(table.out.find(text) != std::string::npos, text);
  }
  const auto json = nlohmann::json::parse(run("inspect --json " + kModel).out);
  CHECK(json["layers"] == 4);
  CHECK(json["memory"]["total"] > json["memory"]["weights"]);
}

TEST_CASE("check passes a true reference, and fails beyond its tolerance or where ids differ") {
  const auto folder = test_data("golden/llama");
  if (!folder) return;
  const std::string reference = " " + (*folder / "golden.safetensors").string();
  const Run good = run("check " + folder->string() + reference);
  CHECK(good.exit_code == 0);
  CHECK(good.out.find("passed") != std::string::npos);
  CHECK(run("check --tolerance 0 " + folder->string() + reference).exit_code == 1);
  const auto other = test_data("golden/llama3-rope");
  if (!other) return;
  const Run bad = run("check " + other->string() + reference);
  CHECK(bad.exit_code == 1);
  CHECK(bad.out.find("differ from position") != std::string::npos);
}

TEST_CASE("a wrong argument or file gets one clear line and exit code 2") {
  const TemporaryFolder folder;
  const std::string broken = folder.write("broken.gguf", "GGUF\x03");
  for (const std::string& arguments :
       {std::string("generate"), std::string("generate -m /nowhere.gguf"), "generate -m " + broken,
        "generate --temp hot -m " + kModel, "generate --temp -1 -m " + kModel,
        std::string("frobnicate"), std::string(""), "inspect " + broken,
        "check " + kModel + " /nowhere.safetensors", "check " + kModel + " " + kModel}) {
    CAPTURE(arguments);
    const Run result = run(arguments);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("quern: "));
    CHECK(std::ranges::count(result.err, '\n') == 1);
  }
}

TEST_CASE("help is complete") {
  const Run help = run("--help");
  CHECK(help.exit_code == 0);
  for (const char* command : {"generate", "inspect", "check", "bench"}) {
    CHECK_MESSAGE(help.out.find(command) != std::string::npos, command);
    CHECK(run(std::string(command) + " --help").exit_code == 0);
  }
  const Run generate = run("generate --help");
  for (const char* option :
       {"--model", "--prompt", "--max-tokens", "--temp", "--seed", "--threads", "--json"}) {
    CHECK_MESSAGE(generate.out.find(option) != std::string::npos, option);
  }
}

}  // namespace quern
