#include "jinja/filters.h"

#include <algorithm>

#include "jinja/filters_text.h"
#include "jinja/run.h"

namespace quern::jinja {

FilterFunction find_filter(std::string_view name) noexcept {
  const FilterFunction found = find_text_filter(name);
  return found ? found : find_sequence_filter(name);
}

Value attribute_of(Run& run, const Value& item, const Value& path) {
  const Text* names = path.text();
  if (!names) return run.item(item, path);
  Value value = item;
  std::string_view rest = names->view();
  for (bool more = true; more;) {
    const std::size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    more = dot != std::string_view::npos;
    rest.remove_prefix(more ? dot + 1 : rest.size());
    const bool digits = !part.empty() && part.size() < 10 &&
                        part.find_first_not_of("0123456789") == std::string_view::npos;
    value = run.item(value, digits ? Value::of(std::int64_t{std::atoi(std::string(part).c_str())})
                                   : Value::of(std::string(part)));
  }
  return value;
}

}  // namespace quern::jinja
