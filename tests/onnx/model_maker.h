#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <protozero/pbf_writer.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// TensorProto's numbers of dtypes: f32, i64, bool.
inline constexpr std::int32_t kFloat = 1, kInt = 7, kBool = 9;

/// Writes ONNX messages for tests, field by field, right or wrong.
class ModelMaker {
 public:
  using Writer = protozero::pbf_writer;

  static std::string tensor(std::string_view name, const std::vector<std::int64_t>& dims,
                            std::int32_t data_type, std::string_view raw) {
    return message([&](Writer& writer) {
      for (const std::int64_t dim : dims) writer.add_int64(1, dim);
      writer.add_int32(2, data_type);
      writer.add_string(8, name.data(), name.size());
      writer.add_bytes(9, raw.data(), raw.size());
    });
  }
  static std::string external_tensor(std::string_view name, std::int64_t size,
                                     std::string_view location) {
    return message([&](Writer& writer) {
      writer.add_int64(1, size);
      writer.add_int32(2, 1);
      writer.add_string(8, name.data(), name.size());
      writer.add_message(13, message([&](Writer& entry) {
                           entry.add_string(1, "location");
                           entry.add_string(2, location.data(), location.size());
                         }));
      writer.add_int32(14, 1);
    });
  }
  static std::string node(const std::string& op_type, const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs,
                          const std::vector<std::string>& attributes = {}) {
    return message([&](Writer& writer) {
      for (const std::string& name : inputs) writer.add_string(1, name);
      for (const std::string& name : outputs) writer.add_string(2, name);
      writer.add_string(3, op_type + "_node");
      writer.add_string(4, op_type);
      for (const std::string& attribute : attributes) writer.add_message(5, attribute);
    });
  }
  static std::string int_attribute(const std::string& name, std::int64_t value) {
    return message([&](Writer& writer) {
      writer.add_string(1, name);
      writer.add_int64(3, value);
      writer.add_int32(20, 2);
    });
  }
  static std::string graph_attribute(const std::string& name, const std::string& graph) {
    return message([&](Writer& writer) {
      writer.add_string(1, name);
      writer.add_message(6, graph);
      writer.add_int32(20, 5);
    });
  }
  /// A value info of a tensor [dims], of f32 or the element type given; kRows: a size named "rows".
  static constexpr std::int64_t kRows = std::numeric_limits<std::int64_t>::min();
  static std::string value(const std::string& name, const std::vector<std::int64_t>& dims,
                           std::int32_t element_type = 1) {
    const std::string shape = message([&](Writer& writer) {
      for (const std::int64_t dim : dims)
        writer.add_message(1, message([&](Writer& size) {
                             dim == kRows ? size.add_string(2, "rows") : size.add_int64(1, dim);
                           }));
    });
    const std::string tensor_type = message([&](Writer& writer) {
      writer.add_int32(1, element_type);
      writer.add_message(2, shape);
    });
    return message([&](Writer& writer) {
      writer.add_string(1, name);
      writer.add_message(2, message([&](Writer& type) { type.add_message(1, tensor_type); }));
    });
  }

  /// A SparseTensorProto: two TensorProtos and the whole's sizes.
  static std::string sparse_tensor(const std::string& values, const std::string& indices,
                                   const std::vector<std::int64_t>& dims) {
    return message([&](Writer& writer) {
      writer.add_message(1, values);
      writer.add_message(2, indices);
      for (const std::int64_t dim : dims) writer.add_int64(3, dim);
    });
  }
  static std::string float_attribute(const std::string& name, float value) {
    return message([&](Writer& writer) {
      writer.add_string(1, name);
      writer.add_float(2, value);
      writer.add_int32(20, 1);
    });
  }
  static std::string ints_attribute(const std::string& name,
                                    const std::vector<std::int64_t>& values) {
    return message([&](Writer& writer) {
      writer.add_string(1, name);
      for (const std::int64_t value : values) writer.add_int64(8, value);
      writer.add_int32(20, 7);
    });
  }
  static std::string sparse_attribute(const std::string& name, const std::string& sparse) {
    return message([&](Writer& writer) {
      writer.add_string(1, name);
      writer.add_message(22, sparse);
      writer.add_int32(20, 11);
    });
  }
  /// The bytes of numbers, as raw_data has them.
  template <class T>
  static std::string raw(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
  }

  std::vector<std::string> nodes, initializers, sparse_initializers, inputs, outputs;
  std::int64_t ir_version = 9;

  std::string graph() const {
    return message([&](Writer& writer) {
      for (const std::string& each : nodes) writer.add_message(1, each);
      writer.add_string(2, "graph");
      for (const std::string& each : initializers) writer.add_message(5, each);
      for (const std::string& each : sparse_initializers) writer.add_message(15, each);
      for (const std::string& each : inputs) writer.add_message(11, each);
      for (const std::string& each : outputs) writer.add_message(12, each);
    });
  }
  std::string model(std::int64_t opset = 18) const {
    return message([&](Writer& writer) {
      writer.add_int64(1, ir_version);
      writer.add_message(7, graph());
      writer.add_message(8, message([&](Writer& id) {
                           id.add_string(1, "");
                           id.add_int64(2, opset);
                         }));
    });
  }

  template <class Fill>
  static std::string message(const Fill& fill) {
    std::string bytes;
    Writer writer(bytes);
    fill(writer);
    return bytes;
  }
};

inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}
