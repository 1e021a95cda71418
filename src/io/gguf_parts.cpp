#include <filesystem>
#include <optional>

#include "core/error.h"
#include "core/format.h"
#include "io/gguf.h"

namespace quern::io {
namespace {

/// Where a file stands among those that a model was split into.
struct Part {
  std::int64_t index = 0;
  std::int64_t count = 1;
  bool operator==(const Part&) const = default;
};

std::string name_of(const std::string& stem, const Part& part) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", stem, part.index + 1, part.count);
}

Part part_of(const GgufMetadata& metadata, const std::string& path) {
  const Part part{.index = find_int(metadata, "split.no").value_or(0),
                  .count = find_int(metadata, "split.count").value_or(1)};
  constexpr std::int64_t kMostParts = 99999;
  if (part.count <= 1) return {};
  if (part.count > kMostParts || part.index < 0 || part.index >= part.count) {
    fail(ErrorCode::corrupt_file, "{}: split.no {} of split.count {} is not possible", path,
         part.index, part.count);
  }
  return part;
}

/// The path up to "-00001-of-00003.gguf", by which the other parts are found.
std::string stem_of(const std::string& path, const Part& part) {
  const std::string ending = name_of("", part);
  if (!path.ends_with(ending)) {
    fail(ErrorCode::invalid_argument,
         "{}: it holds part {} of {}, and the others are found by a name that ends in {}", path,
         part.index + 1, part.count, ending);
  }
  return path.substr(0, path.size() - ending.size());
}

void add_part(const GgufFile& file, const std::string& path, const Part& expected,
              std::map<std::string, Weight>& weights) {
  const Part part = part_of(file.metadata, path);
  if (part != expected) {
    fail(ErrorCode::corrupt_file, "{}: expected part {} of {}, but it holds part {} of {}", path,
         expected.index + 1, expected.count, part.index + 1, part.count);
  }
  for (const std::string& name : file.weights.names()) {
    if (!weights.try_emplace(name, file.weights.get(name)).second)
      fail(ErrorCode::corrupt_file, "{}: the tensor \"{}\" is in another part too", path, name);
  }
}

FileBytes map_part(const std::string& path, const Part& part) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    fail(ErrorCode::not_found, "{}: there is no such file, but the model has {} parts", path,
         part.count);
  }
  return map_file(path);
}

}  // namespace

GgufFile read_gguf(const std::string& path, const LoadProgress& progress) {
  GgufFile first = parse_gguf(map_file(path), progress);
  Part part = part_of(first.metadata, path);
  if (part.count == 1) return first;
  const std::string stem = stem_of(path, part);
  require(part.index == 0, "{}: it is part {} of {}; open the first, {}", path, part.index + 1,
          part.count, name_of(stem, {0, part.count}));
  std::map<std::string, Weight> weights;
  add_part(first, path, part, weights);
  for (part.index = 1; part.index < part.count; ++part.index) {
    const std::string next = name_of(stem, part);
    const double before = static_cast<double>(part.index) / static_cast<double>(part.count);
    LoadProgress rest;
    if (progress) rest = [&progress, before](double done) { progress(before + done); };
    add_part(parse_gguf(map_part(next, part), rest), next, part, weights);
  }
  const auto tensors = find_int(first.metadata, "split.tensors.count");
  if (tensors && *tensors != std::ssize(weights)) {
    fail(ErrorCode::corrupt_file, "{}: the parts have {} tensors, split.tensors.count says {}",
         path, weights.size(), *tensors);
  }
  first.weights = Weights(std::move(weights));
  return first;
}

}  // namespace quern::io
