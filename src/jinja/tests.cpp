#include "jinja/tests.h"

#include <algorithm>
#include <cmath>

#include "jinja/filters.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/run.h"

namespace quern::jinja {
namespace {

bool is_number(const Value& value) {
  double number = 0;
  return value.number(number);
}

bool is_mapping(const Value& value) { return value.dict() != nullptr; }

bool is_iterable(const Value& value) {
  return value.text() || value.sequence() || value.dict() || value.is_undefined() ||
         (value.object() && value.object()->type_name() == "LoopContext");
}

bool is_sequence(const Value& value) {
  return value.text() || value.dict() || value.is_undefined() ||
         (value.sequence() && value.sequence()->has_index());
}

/// `value % divisor == wanted`, as Python's `%` does it for what has one.
bool has_remainder(Run& run, const Value& value, std::int64_t divisor, std::int64_t wanted) {
  return equal(run, arithmetic(run, "%", value, Value::of(divisor)), Value::of(wanted));
}

template <bool (*predicate)(const Value&)>
bool plain(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "a test", arguments, {});
  return predicate(input);
}

bool is_same(const Value& a, const Value& b) {
  if (a.is_undefined() || b.is_undefined()) return false;
  return a.is(b) || (a.text() && b.text() && a.text()->bytes() == b.text()->bytes());
}

bool query(Run& run, const Value& input, std::string_view method) {
  const Value text = Value::of(run.text_of(input));
  return truth(find_text_query(method)(run, text, {}));
}

constexpr std::string_view kWords[] = {"==", "!=", "<", "<=", ">", ">=", "in"};

template <int word>
bool compares(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "a test", arguments, {"other"}, 1);
  return compare(run, kWords[word], input, bound[0]);
}

constexpr auto kEqual = compares<0>;
constexpr auto kUnequal = compares<1>;
constexpr auto kLess = compares<2>;
constexpr auto kLessOrEqual = compares<3>;
constexpr auto kGreater = compares<4>;
constexpr auto kGreaterOrEqual = compares<5>;

bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_boolean(const Value& value) { return value.holds<bool>(); }
bool is_true(const Value& value) { return value.holds<bool>() && truth(value); }
bool is_false(const Value& value) { return value.holds<bool>() && !truth(value); }
bool is_integer(const Value& value) { return value.holds<std::int64_t>(); }
bool is_float(const Value& value) { return value.holds<double>(); }
bool is_string(const Value& value) { return value.text() != nullptr; }
bool is_callable(const Value& value) {
  return value.is_undefined() || (value.object() && value.object()->can_call());
}
bool is_escaped(const Value& value) { return value.text() && value.text()->safe; }

struct Row {
  std::string_view name;
  TestFunction run;
};

constexpr Row kTests[] = {
    {"defined", plain<is_defined>},
    {"undefined", plain<is_undefined>},
    {"none", plain<is_none>},
    {"boolean", plain<is_boolean>},
    {"true", plain<is_true>},
    {"false", plain<is_false>},
    {"integer", plain<is_integer>},
    {"float", plain<is_float>},
    {"number", plain<is_number>},
    {"string", plain<is_string>},
    {"mapping", plain<is_mapping>},
    {"iterable", plain<is_iterable>},
    {"sequence", plain<is_sequence>},
    {"callable", plain<is_callable>},
    {"escaped", plain<is_escaped>},
    {"sameas",
     [](Run& run, const Value& input, const Arguments& arguments) {
       return is_same(input, Bound(run, "sameas", arguments, {"other"}, 1)[0]);
     }},
    {"odd", [](Run& run, const Value& input,
               const Arguments&) { return has_remainder(run, input, 2, 1); }},
    {"even", [](Run& run, const Value& input,
                const Arguments&) { return has_remainder(run, input, 2, 0); }},
    {"divisibleby",
     [](Run& run, const Value& input, const Arguments& arguments) {
       const Bound bound(run, "divisibleby", arguments, {"num"}, 1);
       return equal(run, arithmetic(run, "%", input, bound[0]), Value::of(std::int64_t{0}));
     }},
    {"lower",
     [](Run& run, const Value& input, const Arguments&) { return query(run, input, "islower"); }},
    {"upper",
     [](Run& run, const Value& input, const Arguments&) { return query(run, input, "isupper"); }},
    {"filter",
     [](Run&, const Value& input, const Arguments&) {
       return input.text() && find_filter(input.text()->view()) != nullptr;
     }},
    {"test",
     [](Run&, const Value& input, const Arguments&) {
       return input.text() && find_test(input.text()->view()) != nullptr;
     }},
    {"in", compares<6>},
    {"==", kEqual},
    {"eq", kEqual},
    {"equalto", kEqual},
    {"!=", kUnequal},
    {"ne", kUnequal},
    {"<", kLess},
    {"lt", kLess},
    {"lessthan", kLess},
    {"<=", kLessOrEqual},
    {"le", kLessOrEqual},
    {">", kGreater},
    {"gt", kGreater},
    {"greaterthan", kGreater},
    {">=", kGreaterOrEqual},
    {"ge", kGreaterOrEqual},
};

}  // namespace

TestFunction find_test(std::string_view name) noexcept {
  const auto found = std::ranges::find(kTests, name, &Row::name);
  return found == std::end(kTests) ? nullptr : found->run;
}

}  // namespace quern::jinja
