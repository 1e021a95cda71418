#include <doctest/doctest.h>

#include "cli/program.h"

using namespace quern;

TEST_CASE("template renders a conversation from a file or from standard input") {
  const TemporaryFolder folder;
  const std::string chat =
      folder.write("chat.jinja",
                   "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
                   "{% if add_generation_prompt %}<assistant>{% endif %}");
  const std::string said = folder.write("said.json", R"([{"role": "user", "content": "Hi"}])");
  CHECK(run("template " + chat + " " + said).out == "<user>Hi\n<assistant>");
  const std::string config = folder.write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "default", "template": "{{ x }}{{ messages | length }}"}]})");
  CHECK(run("template " + config + " " + folder.write("all.json", R"({"messages": [], "x": "y"})"))
            .out == "y0");
  CHECK(run("template " + config + " < " + folder.path("all.json")).out == "y0");
}

TEST_CASE("template tries a template on cases") {
  const TemporaryFolder folder;
  const std::string chat = folder.write(
      "chat.jinja",
      "{{ raise_exception('no') if x is none else x }}{{ strftime_now('%Y-%m-%d %H') }}");
  const std::string cases = folder.write("cases.json", R"([
    {"case": "one", "context": {"x": 1}, "output": "12026-11-30 12"},
    {"case": "none", "context": {"x": null}, "error": "TemplateError: no"},
    {"case": "other", "context": {"x": 2}, "output": "3"}])");
  const Run tried = run("template " + chat + " " + cases);
  CHECK(tried.exit_code == 1);
  CHECK(tried.out ==
        "pass one\npass none\n"
        "FAIL other: at byte 0: expected \"3\", got \"22026-11-30 12\"\n2 passed, 1 failed\n");
}
