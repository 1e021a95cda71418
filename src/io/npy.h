#pragma once

#include "io/mapped_file.h"
#include "quern/tensor.h"

namespace quern::io {

/// The array of a .npy file. Throws: `corrupt_file`, `unsupported`.
Tensor parse_npy(const FileBytes& file);

}  // namespace quern::io
