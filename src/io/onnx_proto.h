#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "io/mapped_file.h"
#include "quern/tensor.h"

/// The messages of an ONNX file as plain structures, read from the protobuf wire format and checked
/// for what can be checked without knowing an operator. Names are those of onnx.proto.
namespace quern::io::onnx {

struct GraphProto;

/// Nothing, a named size, or a size.
using Dimension = std::variant<std::monostate, std::string, std::int64_t>;

struct TypeProto {
  enum class Kind { unknown, tensor, sequence, optional, map };
  Kind kind = Kind::unknown;
  std::optional<DType> dtype;  ///< of a tensor's elements; of a map's keys
  bool has_shape = false;
  std::vector<Dimension> shape;
  std::shared_ptr<const TypeProto> element;  ///< of a sequence, an optional; a map's values
};

struct ValueInfoProto {
  std::string name;
  TypeProto type;
};

using AttributeValue =
    std::variant<std::monostate, float, std::int64_t, std::string, Tensor, std::vector<float>,
                 std::vector<std::int64_t>, std::vector<std::string>, std::vector<Tensor>,
                 std::shared_ptr<const GraphProto>, TypeProto>;

struct AttributeProto {
  std::string name;
  AttributeValue value;
  std::string ref_attr_name;  ///< in a function's body: the attribute of the function it takes
};

struct NodeProto {
  std::string name, op_type, domain, overload;
  std::vector<std::string> input, output;  ///< an empty name is an absent optional
  std::vector<AttributeProto> attribute;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

struct GraphProto {
  std::string name;
  std::vector<NodeProto> node;
  std::vector<NamedTensor> initializer;
  std::vector<ValueInfoProto> input, output, value_info;
};

struct OperatorSetId {
  std::string domain;  ///< "" is ai.onnx
  std::int64_t version = 0;
};

struct FunctionProto {
  std::string name, domain, overload;
  std::vector<std::string> input, output, attribute;
  std::vector<AttributeProto> attribute_proto;  ///< those with defaults
  std::vector<NodeProto> node;
  std::vector<OperatorSetId> opset_import;
};

struct ModelProto {
  std::int64_t ir_version = 0;
  std::string producer_name, producer_version, doc_string;
  std::vector<OperatorSetId> opset_import;
  std::vector<std::pair<std::string, std::string>> metadata_props;
  GraphProto graph;
  std::vector<FunctionProto> functions;
};

/// A tensor, a list, or (nothing of either) an empty optional: what test data holds.
struct ValueProto {
  std::string name;
  std::optional<Tensor> tensor;
  std::optional<std::vector<ValueProto>> sequence;
};

/// Tensors stored in the file view `file` where their alignment allows; those in files beside it
/// view those, mapped, which must lie within `folder`. Throws: `corrupt_file` with the offset;
/// `unsupported` for element types that are not known.
ModelProto read_model(const FileBytes& file, const std::string& folder);

/// A file that holds one TensorProto, SequenceProto or OptionalProto. Throws: as read_model.
ValueProto read_value(const FileBytes& file, TypeProto::Kind kind);

/// The dtype of a TensorProto.DataType; none where it is not known.
std::optional<DType> find_dtype(std::int64_t code) noexcept;

}  // namespace quern::io::onnx
