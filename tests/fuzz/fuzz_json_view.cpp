#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "fuzz/targets.h"
#include "fuzz/use.h"
#include "serve/json_view.h"

namespace quern::fuzz {
namespace {

using serve::JsonView;

[[noreturn]] void differs(std::string_view what, std::string_view text) {
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(text.size()), text.data());
  std::abort();
}

/// Reads all that a view has; whether a number in it is beyond all floats.
bool has_infinity(JsonView view) {
  if (view.is_number()) {
    if (const auto whole = view.integer<std::int64_t>();
        whole && static_cast<double>(*whole) != view.number())
      differs("a number is read in two ways", view.text());
    return std::isinf(view.number());
  }
  if (view.is_string()) {
    if (!serve::is_utf8(view.string())) differs("text is not UTF-8", view.text());
    return false;
  }
  bool found = false;
  std::size_t count = 0;
  for (const auto& [name, value] : view) {
    if (view.is_object() != name.is_string()) differs("a name is none", view.text());
    found = has_infinity(value) || found;
    ++count;
  }
  if (count != view.size()) differs("a size is not how many there are", view.text());
  if (!view.is_object()) return found;
  try {
    for (const auto& [name, value] : serve::JsonMembers(view, count)) has_infinity(value);
  } catch (const serve::JsonError&) {  // a name occurs twice
  }
  return found;
}

/// Whether both readers take the same texts for JSON: depth, a mark at the beginning and
/// what follows a byte 0 aside.
bool may_compare(std::string_view text) {
  constexpr std::ptrdiff_t kDepth = 64;
  return std::ranges::count(text, '[') + std::ranges::count(text, '{') <= kDepth &&
         !text.starts_with("\xef") && text.find('\0') == text.npos;
}

}  // namespace

void json_view(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  allow_refusal([&] {
    try {
      const bool infinite = has_infinity(JsonView::parse(text));
      if (!infinite && may_compare(text) && !nlohmann::json::accept(text))
        differs("this is no JSON", text);
    } catch (const serve::JsonError& error) {
      if (may_compare(text) && nlohmann::json::accept(text)) differs("this is JSON", text);
      throw Error(ErrorCode::corrupt_file, error.what());
    }
  });
}

}  // namespace quern::fuzz
