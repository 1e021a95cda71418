#include "quern/layers/module.h"

namespace quern {

Module::~Module() = default;

}  // namespace quern
