#include <doctest/doctest.h>

#include "io/json.h"
#include "jinja/template.h"
#include "quern/error.h"
#include "support/error_code.h"
#include "tokenizer/json_value.h"

namespace quern::jinja {
namespace {

Dict data_of(const char* json) { return tokenizer::members_of(json, "data"); }

/// The text, or "refused".
std::string outcome(const std::string& source, const Dict& data) {
  try {
    return Template::parse(source).render(data).bytes();
  } catch (const Error& error) {
    CHECK(error.code() != ErrorCode::internal);
    return "refused";
  }
}

TEST_CASE("small templates render as transformers' environment renders them") {
  const auto path = std::string("tests/data/jinja/goldens.json");
  const io::FileBytes file = io::map_file(path);
  const auto ordered = io::parse_ordered_json(
      {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()}, path);
  const Value context = tokenizer::value_of(ordered.at("context"));
  REQUIRE(ordered.at("cases").size() > 350);
  for (const auto& test : ordered.at("cases")) {
    const auto source = test.at("template").get<std::string>();
    CAPTURE(source);
    CHECK(outcome(source, *context.dict()) ==
          (test.contains("error") ? "refused" : test.at("output").get<std::string>()));
  }
}

TEST_CASE("faults are told with their line and what was expected") {
  const auto message = [](const char* source) -> std::string {
    try {
      Template::parse(source).render({});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message("\n\n{% if x %}") ==
        "chat template: line 3: expected {% elif %}, got the end of the template");
  CHECK(message("a\n{{ 1 + }}") == "chat template: line 2: expected an expression, got \"}}\"");
  CHECK(message("\n{{ x.y }}") ==
        "chat template: line 2: \"x\" is undefined, so it has no member \"y\"");
  CHECK(message("{{ 'a'\n + 1 }}") == "chat template: line 1: \"+\" takes no str and int");
  CHECK(message("{{ x | nothing }}") == "chat template: line 1: there is no filter \"nothing\"");
}

TEST_CASE("a hostile template ends at a bound") {
  const RenderOptions small{.max_steps = 1'000'000, .max_bytes = 1 << 24};
  for (const char* source :
       {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor "
        "%}",
        "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor "
        "%}",
        "{% set n = namespace(x=[1]) %}{% for i in range(999) %}{% set n.x = [n.x] %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor "
        "%}"
        "{{ n.x }}",
        "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}"
        "{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
        "{% set n = namespace(x=1) %}{% for i in range(999) %}{% set n.x = [n.x].count %}{% endfor "
        "%}"
        "{{ raise_exception(n.x.y.z) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'x' * 99999999999 }}",
        "{{ [1] * 99999999999 }}",
        "{{ 'x'.ljust(99999999999) }}",
        "{{ 'a'.replace('', 'b' * 9999) * 9999 }}",
        "{{ '%99999999d' % 1 }}",
        "{{ '{:99999999}'.format(1) }}",
        "{{ '{:99999999}'.format('a') }}",
        "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ 9223372036854775807 + 1 }}",
        "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
        "{{ 3 ** 99 }}",
        "{{ range(999999) }}",
        "{{ 'x' | center(99999999999) }}",
        "{{ [1] | batch(99999999999, 0) | list }}"}) {
    CAPTURE(source);
    const ErrorCode code = code_of([&] { Template::parse(source).render({}, small); });
    CHECK((code == ErrorCode::unsupported || code == ErrorCode::invalid_argument));
  }
}

TEST_CASE("parsing ends at a bound, however deep or long the source is") {
  const auto repeated = [](std::string_view part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
  };
  for (const std::string& source :
       {"{{ " + repeated("(", 100'000), "{{ " + repeated("[", 100'000),
        "{{ " + repeated("-", 100'000), "{{ " + repeated("not ", 100'000),
        "{{ a" + repeated(".a", 100'000) + " }}", "{{ 1" + repeated(" + 1", 100'000) + " }}",
        repeated("{% if a %}", 100'000), "{{ a" + repeated("|e", 100'000) + " }}",
        "{{ 1" + repeated(" if 1 else 1", 100'000) + " }}", "{% set " + repeated("(", 100'000),
        repeated("x", 5 << 20)}) {
    CAPTURE(source.substr(0, 20));
    const ErrorCode code = code_of([&] { Template::parse(source); });
    CHECK((code == ErrorCode::unsupported || code == ErrorCode::corrupt_file));
  }
}

TEST_CASE("the time is told in English, as strftime writes it") {
  std::tm noon{};
  noon.tm_year = 126;
  noon.tm_mon = 10;
  noon.tm_mday = 5;
  noon.tm_hour = 15;
  noon.tm_min = 4;
  noon.tm_isdst = -1;
  const RenderOptions at{.now = std::mktime(&noon)};
  CHECK(Template::parse(
            "{{ strftime_now('%d %B %Y|%b %-d|%A %a|%H:%M:%S|%I %p|%j|%y-%m|%%|%e|%F') }}")
            .render({}, at)
            .bytes() ==
        "05 November 2026|Nov 5|Thursday Thu|15:04:00|03 PM|309|26-11|%| 5|2026-11-05");
}

TEST_CASE("what data says stays told apart from the template's own words") {
  const Dict data = data_of(R"({"x": "a<|b|>"})");
  const Text text = Template::parse("<|{{ x[1:3] }}|>{{ x | upper }}").render(data);
  REQUIRE(text.bytes() == "<|<||>A<|B|>");
  std::string marks;
  for (std::size_t i = 0; i < text.size(); ++i) marks += text.is_data(i) ? 'd' : '.';
  CHECK(marks == "..dd..dddddd");
}

}  // namespace
}  // namespace quern::jinja
