#pragma once

#include <optional>
#include <string>

#include "io/onnx_proto.h"
#include "io/protobuf.h"

namespace quern::io::onnx {

/// Where messages are read from: the file, for what views it, and the folder of its data files.
struct Source {
  const FileBytes& file;
  std::string folder;

  /// The offset of a message's bytes in the file, for messages.
  std::size_t offset(const protozero::data_view& view) const {
    return static_cast<std::size_t>(reinterpret_cast<const std::byte*>(view.data()) -
                                    file.bytes.data());
  }
};

/// Appends a repeated number, which comes packed, or one by one from writers of old.
template <class T, class Packed, class Single>
void append(std::vector<T>& values, protozero::pbf_reader& reader, Packed packed, Single single) {
  if (reader.wire_type() == protozero::pbf_wire_type::length_delimited) {
    for (const T value : (reader.*packed)()) values.push_back(value);
  } else {
    values.push_back((reader.*single)());
  }
}

/// A StringStringEntryProto: its key and its value.
std::pair<std::string, std::string> read_entry(protozero::pbf_reader reader);

/// The dtype of a TensorProto.DataType. Throws: `unsupported`.
DType dtype_of_code(std::int64_t code, const Source& source);

/// A TensorProto. Throws: `corrupt_file` where its data is not what its shape takes.
NamedTensor read_tensor(protozero::data_view bytes, const Source& source);

/// A SparseTensorProto, with zeros where it has no value; its name is that of its values. Throws:
/// as read_tensor; `out_of_memory` for a size that would not fit.
NamedTensor read_sparse_tensor(protozero::pbf_reader reader, const Source& source);

}  // namespace quern::io::onnx
