#include "jinja/arguments.h"

#include <algorithm>

#include "jinja/run.h"

namespace quern::jinja {

const Value* Arguments::find(std::string_view name) const noexcept {
  const auto found =
      std::ranges::find_if(named, [&](const auto& one) { return one.first == name; });
  return found == named.end() ? nullptr : &found->second;
}

Bound::Bound(Run& run, std::string_view function, const Arguments& arguments,
             std::initializer_list<std::string_view> parameters, std::size_t needed)
    : run_(run), function_(function), names_(parameters), values_(parameters.size()) {
  if (arguments.positional.size() > names_.size())
    run.fail("{}: expected at most {} arguments, got {}", function, names_.size(),
             arguments.positional.size());
  std::ranges::transform(arguments.positional, values_.begin(),
                         [](const Value& value) { return &value; });
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::ranges::find(names_, name);
    if (found == names_.end()) run.fail("{}: there is no argument \"{}\"", function, name);
    const Value*& place = values_[static_cast<std::size_t>(found - names_.begin())];
    if (place) run.fail("{}: \"{}\" is given twice", function, name);
    place = &value;
  }
  for (std::size_t i = 0; i < needed; ++i) {
    if (!values_[i]) run.fail("{}: \"{}\" is missing", function, names_[i]);
  }
}

bool Bound::flag(std::size_t at, bool otherwise) const noexcept {
  return has(at) ? truth(*values_[at]) : otherwise;
}

std::int64_t Bound::integer(std::size_t at, std::int64_t otherwise) const {
  if (!has(at)) return otherwise;
  std::int64_t of_bool = 0;
  const std::int64_t* value = values_[at]->integer(of_bool);
  if (!value) fail_type(at, "an integer");
  return *value;
}

const Text& Bound::text(std::size_t at) const {
  const Text* value = values_[at]->text();
  if (!value) fail_type(at, "a string");
  return *value;
}

void Bound::fail_type(std::size_t at, std::string_view expected) const {
  run_.fail("{}: {}: expected {}, got {}", function_, names_[at], expected,
            values_[at]->type_name());
}

}  // namespace quern::jinja
