#pragma once

#include <string_view>

#include "jinja/value.h"

namespace quern::jinja {

/// A function that every template has: `range`, `namespace`, `raise_exception` and so on; an
/// undefined value where there is none.
Value global(std::string_view name);

/// What `namespace()` makes, the one value whose members can be set.
class Namespace final : public Object {
 public:
  explicit Namespace(Dict members) : members_(std::move(members)) {}

  std::string_view type_name() const noexcept override { return "Namespace"; }
  std::string describe(Run& run) const override;
  Value member(Run& run, std::string_view name) override;
  bool can_call() const noexcept override { return false; }
  void clear() noexcept override { members_ = {}; }
  void set(const std::string& name, Value value);

 private:
  Dict members_;
};

}  // namespace quern::jinja
