#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/source/model_source.h"
#include "models/source/setting.h"

namespace quern::models {

/// A model's settings, by `Setting` whatever the format of its files. A null in config.json is as
/// nothing, but where a function says otherwise. All throw `corrupt_file`, naming the key, where a
/// setting has another type, and the plain ones also where it is missing. A view of the source.
class Settings {
 public:
  /// `defaults` are the members, as JSON, that config.json may leave out. Of GGUF they count where
  /// a function says so.
  explicit Settings(const ModelSource& source, std::string_view defaults = "{}");

  bool is_gguf() const noexcept { return metadata_ != nullptr; }
  const io::GgufMetadata* gguf() const noexcept { return metadata_; }
  /// What config.json says, with the defaults. For a config.json only.
  io::JsonObject json() const { return {*json_, "config.json"}; }
  /// What messages call it: "<architecture>.block_count", "num_hidden_layers".
  std::string name(const Setting& setting) const;

  bool has(const Setting& setting) const;
  /// Whether it is there, if null.
  bool mentions(const Setting& setting) const;
  std::int64_t size(const Setting& setting) const;
  std::int64_t size_or(const Setting& setting, std::int64_t fallback) const;
  /// One for each of `layers` layers: a list, or one value for all. Throws: also where it is
  /// missing, or a list of another length.
  std::vector<std::int64_t> size_of_each(const Setting& setting, std::int64_t layers) const;
  /// The same where all are equal. Throws: also `unsupported` where they differ. `layers` > 0.
  std::int64_t size_of_all(const Setting& setting, std::int64_t layers) const;
  /// The largest of a list, the value itself, or 0 where there is none: for descriptions.
  std::int64_t largest(const Setting& setting) const;
  double number(const Setting& setting) const;
  double number_or(const Setting& setting, double fallback) const;
  bool flag_or(const Setting& setting, bool fallback) const;
  std::string text_or(const Setting& setting, std::string_view fallback) const;

  /// The function of feed-forward layers: config.json's, or in GGUF, which does not say it, that of
  /// the defaults; "silu" where these have none.
  std::string activation() const;
  /// Whether products that a flag of config.json is about have a bias; none for GGUF: where the
  /// file has one.
  std::optional<bool> bias(const Setting& flag, bool fallback = false) const;
  /// For what a family does not have: whether products have a bias in config.json, and in GGUF.
  std::optional<bool> bias(bool has) const;
  /// Throws: `unsupported` where config.json has a "model_type" that is not `type`.
  void expect_type(std::string_view type) const;
  /// Throws: `unsupported` where a flag is there and set otherwise.
  void expect(const Setting& flag, bool value) const;

 private:
  std::string_view json_name(const Setting& setting) const;

  const io::GgufMetadata* metadata_ = nullptr;
  std::string prefix_;
  std::shared_ptr<const io::Json> json_;  ///< config.json with the defaults, or these alone
};

}  // namespace quern::models
