#include <string_view>

#include "fuzz/targets.h"
#include "fuzz/use.h"
#include "io/json.h"

namespace quern::fuzz {
namespace {

constexpr std::size_t kFewMembers = 8;  // each costs seven exceptions

/// Asks for one member by every type in turn; each refuses what is not of its own.
template <class... Types>
void read_member(const io::JsonObject& object, const std::string& name) {
  const auto read = [&]<class T>(T*) {
    try {
      object.find<T>(name);
    } catch (const Error&) {
    }
  };
  (read(static_cast<Types*>(nullptr)), ...);
}

void read_members(const io::Json& json) {
  const io::JsonObject object(json, "fuzz.json");
  for (const auto& [name, member] : json.items()) {
    read_member<bool, std::int64_t, double, std::string, std::vector<bool>,
                std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>>(object,
                                                                                          name);
  }
}

}  // namespace

void json(std::span<const std::byte> bytes) {
  allow_refusal([&] {
    const io::Json parsed =
        io::parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "fuzz.json");
    if (parsed.is_object() && parsed.size() <= kFewMembers) read_members(parsed);
  });
}

}  // namespace quern::fuzz
