#include "models/source/unread_weights.h"

#include "core/error.h"
#include "core/format.h"

namespace quern::models {
namespace {

using NameSet = std::set<std::string, std::less<>>;

/// The weight of the layer that a tensor belongs to: scales and codes of a quantised layer stand
/// beside its weight, or in its place. Nothing for a bias that is not read.
std::string_view layer_of(std::string_view name, const NameSet& read) {
  if (name.ends_with(".bias")) return {};
  for (std::size_t dot = name.find('.'); dot != std::string_view::npos;
       dot = name.find('.', dot + 1)) {
    const auto found = read.find(fmt::format("{}.weight", name.substr(0, dot)));
    if (found != read.end()) return *found;
  }
  return {};
}

bool holds_values(DType dtype) { return is_floating(dtype) || is_narrow(dtype); }

}  // namespace

void refuse_unread(const Weights& weights, const NameSet& read, bool is_gguf) {
  for (const std::string& name : weights.names()) {
    if (read.contains(name)) {
      require_values(weights.get(name), name);
      continue;
    }
    if (is_gguf) {
      fail(ErrorCode::unsupported,
           "model: the file has a tensor \"{}\", which a model of its architecture does not have "
           "here",
           name);
    }
    if (const std::string_view layer = layer_of(name, read); !layer.empty()) {
      fail(ErrorCode::unsupported,
           "model: \"{}\" says that \"{}\" is quantised in a way that is not supported", name,
           layer);
    }
  }
}

void require_values(const Weight& weight, std::string_view name) {
  if (weight.encoding() != Encoding::dense || holds_values(weight.tensor().dtype())) return;
  fail(ErrorCode::unsupported, "model: \"{}\" holds {}, expected numbers or GGUF's blocks", name,
       weight.type_name());
}

}  // namespace quern::models
