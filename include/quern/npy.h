#pragma once

#include <map>
#include <string>

#include "quern/export.h"
#include "quern/tensor.h"

namespace quern {

/// Reads a NumPy .npy file (format 1 to 3): numbers and bools, little-endian, in either order of
/// axes. Throws: `not_found`, `corrupt_file` with the offset, `unsupported` for other types.
QUERN_API Tensor read_npy(const std::string& path);

/// Reads the arrays of a .npz file by name, as numpy.savez writes them: not compressed. Throws: as
/// read_npy.
QUERN_API std::map<std::string, Tensor> read_npz(const std::string& path);

/// Writes a .npy file that NumPy reads; bf16 and narrower dtypes as f32. Throws: `invalid_argument`
/// where the file cannot be written; `unsupported` for strings.
QUERN_API void write_npy(const std::string& path, const Tensor& tensor);

}  // namespace quern
