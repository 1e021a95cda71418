#include "io/onnx_proto.h"

#include "core/error.h"
#include "io/onnx_tensor.h"

namespace quern::io::onnx {
namespace {

using Reader = protozero::pbf_reader;

constexpr int kMaxNesting = 32;  // graphs within attributes of nodes, types within types

/// Reads messages, each function one of onnx.proto's.
class ModelReader {
 public:
  explicit ModelReader(const Source& source) : source_(source) {}

  ModelProto model(Reader reader) {
    ModelProto model;
    while (reader.next()) {
      switch (reader.tag()) {
        case 1:
          model.ir_version = reader.get_int64();
          break;
        case 2:
          model.producer_name = reader.get_string();
          break;
        case 3:
          model.producer_version = reader.get_string();
          break;
        case 6:
          model.doc_string = reader.get_string();
          break;
        case 7:
          model.graph = graph(reader.get_message());
          break;
        case 8:
          model.opset_import.push_back(opset(reader.get_message()));
          break;
        case 14:
          model.metadata_props.push_back(read_entry(reader.get_message()));
          break;
        case 25:
          model.functions.push_back(function(reader.get_message()));
          break;
        default:
          reader.skip();
      }
    }
    return model;
  }

  ValueProto value(Reader reader, TypeProto::Kind kind) {
    const Nesting nesting(*this);
    ValueProto value;
    if (kind == TypeProto::Kind::sequence) value.sequence.emplace();
    while (reader.next()) {
      const auto tag = reader.tag();
      if (tag == 1) {
        value.name = reader.get_string();
      } else if (tag == 3 && kind == TypeProto::Kind::sequence) {
        value.sequence->push_back(of_tensor(reader.get_view()));
      } else if (tag == 3) {
        value.tensor = read_tensor(reader.get_view(), source_).tensor;
      } else if (tag == 5) {
        ValueProto inner = this->value(reader.get_message(), TypeProto::Kind::sequence);
        if (kind == TypeProto::Kind::sequence) {
          value.sequence->push_back(std::move(inner));
        } else {
          value.sequence = std::move(inner.sequence);
        }
      } else if (tag == 7) {
        ValueProto inner = this->value(reader.get_message(), TypeProto::Kind::optional);
        if (kind == TypeProto::Kind::sequence) {
          value.sequence->push_back(std::move(inner));
        } else {
          value = std::move(inner);
        }
      } else {
        reader.skip();
      }
    }
    return value;
  }

  ValueProto of_tensor(protozero::data_view bytes) {
    NamedTensor read = read_tensor(bytes, source_);
    return {read.name, std::move(read.tensor), std::nullopt};
  }

 private:
  /// Counts how deep messages are within one another.
  class Nesting {
   public:
    explicit Nesting(ModelReader& reader) : depth_(reader.depth_) {
      if (depth_ == kMaxNesting) {
        fail(ErrorCode::corrupt_file, "{}: graphs or types nested deeper than {}",
             reader.source_.file.name, kMaxNesting);
      }
      ++depth_;
    }
    ~Nesting() { --depth_; }

   private:
    int& depth_;
  };

  static OperatorSetId opset(Reader reader) {
    OperatorSetId id;
    while (reader.next()) {
      if (reader.tag() == 1) {
        id.domain = reader.get_string();
      } else if (reader.tag() == 2) {
        id.version = reader.get_int64();
      } else {
        reader.skip();
      }
    }
    if (id.domain == "ai.onnx") id.domain.clear();
    return id;
  }

  GraphProto graph(Reader reader) {
    const Nesting nesting(*this);
    GraphProto graph;
    while (reader.next()) {
      switch (reader.tag()) {
        case 1:
          graph.node.push_back(node(reader.get_message()));
          break;
        case 2:
          graph.name = reader.get_string();
          break;
        case 5:
          graph.initializer.push_back(read_tensor(reader.get_view(), source_));
          break;
        case 11:
          graph.input.push_back(value_info(reader.get_message()));
          break;
        case 12:
          graph.output.push_back(value_info(reader.get_message()));
          break;
        case 13:
          graph.value_info.push_back(value_info(reader.get_message()));
          break;
        case 15:
          graph.initializer.push_back(read_sparse_tensor(reader.get_message(), source_));
          break;
        default:
          reader.skip();
      }
    }
    return graph;
  }

  NodeProto node(Reader reader) {
    NodeProto node;
    while (reader.next()) {
      switch (reader.tag()) {
        case 1:
          node.input.push_back(reader.get_string());
          break;
        case 2:
          node.output.push_back(reader.get_string());
          break;
        case 3:
          node.name = reader.get_string();
          break;
        case 4:
          node.op_type = reader.get_string();
          break;
        case 5:
          node.attribute.push_back(attribute(reader.get_message()));
          break;
        case 7:
          node.domain = reader.get_string();
          break;
        case 8:
          node.overload = reader.get_string();
          break;
        default:
          reader.skip();
      }
    }
    if (node.domain == "ai.onnx") node.domain.clear();
    return node;
  }

  AttributeProto attribute(Reader reader) {
    AttributeProto attribute;
    Fields fields;
    while (reader.next()) read_field(reader, attribute, fields);
    attribute.value = std::move(fields).value();
    return attribute;
  }

  /// An attribute's value by field; `type` says which holds it, and files of the first IR versions,
  /// which lack it, fill one only.
  struct Fields {
    std::int64_t type = 0;
    std::optional<float> f;
    std::optional<std::int64_t> i;
    std::optional<std::string> s;
    std::optional<Tensor> t;
    std::vector<float> floats;
    std::vector<std::int64_t> ints;
    std::vector<std::string> strings;
    std::vector<Tensor> tensors;
    std::shared_ptr<const GraphProto> g;
    std::optional<TypeProto> tp;

    AttributeValue value() && {
      if (type == 1) return f.value_or(0.f);
      if (type == 2) return i.value_or(0);
      if (type == 3) return s.value_or("");
      if (type == 6) return std::move(floats);
      if (type == 7) return std::move(ints);
      if (type == 8) return std::move(strings);
      if (t) return std::move(*t);
      if (g) return std::move(g);
      if (tp) return std::move(*tp);
      if (f) return *f;
      if (i) return *i;
      if (s) return std::move(*s);
      if (!floats.empty()) return std::move(floats);
      if (!ints.empty()) return std::move(ints);
      if (!strings.empty()) return std::move(strings);
      if (!tensors.empty() || type == 9) return std::move(tensors);
      return std::monostate{};
    }
  };

  void read_field(Reader& reader, AttributeProto& attribute, Fields& fields) {
    switch (reader.tag()) {
      case 1:
        attribute.name = reader.get_string();
        break;
      case 2:
        fields.f = reader.get_float();
        break;
      case 3:
        fields.i = reader.get_int64();
        break;
      case 4:
        fields.s = reader.get_string();
        break;
      case 5:
        fields.t = read_tensor(reader.get_view(), source_).tensor;
        break;
      case 6:
        fields.g = std::make_shared<const GraphProto>(graph(reader.get_message()));
        break;
      case 7:
        append(fields.floats, reader, &Reader::get_packed_float, &Reader::get_float);
        break;
      case 8:
        append(fields.ints, reader, &Reader::get_packed_int64, &Reader::get_int64);
        break;
      case 9:
        fields.strings.push_back(reader.get_string());
        break;
      case 10:
        fields.tensors.push_back(read_tensor(reader.get_view(), source_).tensor);
        break;
      case 14:
        fields.tp = type(reader.get_message());
        break;
      case 20:
        fields.type = reader.get_int32();
        break;
      case 21:
        attribute.ref_attr_name = reader.get_string();
        break;
      case 22:
        fields.t = read_sparse_tensor(reader.get_message(), source_).tensor;
        break;
      case 11:
      case 15:
      case 23:
        fail(ErrorCode::unsupported, "{}: attribute \"{}\" has a kind that is not supported",
             source_.file.name, attribute.name);
      default:
        reader.skip();
    }
  }

  ValueInfoProto value_info(Reader reader) {
    ValueInfoProto info;
    while (reader.next()) {
      if (reader.tag() == 1) {
        info.name = reader.get_string();
      } else if (reader.tag() == 2) {
        info.type = type(reader.get_message());
      } else {
        reader.skip();
      }
    }
    return info;
  }

  TypeProto type(Reader reader) {
    const Nesting nesting(*this);
    TypeProto type;
    while (reader.next()) {
      switch (reader.tag()) {
        case 1:
          type.kind = TypeProto::Kind::tensor;
          tensor_type(reader.get_message(), type);
          break;
        case 4:
          type.kind = TypeProto::Kind::sequence;
          type.element = element_type(reader.get_message(), 1);
          break;
        case 5:
          type.kind = TypeProto::Kind::map;
          type.element = element_type(reader.get_message(), 2);
          break;
        case 9:
          type.kind = TypeProto::Kind::optional;
          type.element = element_type(reader.get_message(), 1);
          break;
        default:
          reader.skip();
      }
    }
    return type;
  }

  std::shared_ptr<const TypeProto> element_type(Reader reader, protozero::pbf_tag_type tag) {
    auto element = std::make_shared<TypeProto>();
    while (reader.next()) {
      if (reader.tag() == tag) {
        *element = type(reader.get_message());
      } else {
        reader.skip();
      }
    }
    return element;
  }

  void tensor_type(Reader reader, TypeProto& type) {
    while (reader.next()) {
      if (reader.tag() == 1) {
        const std::int64_t code = reader.get_int32();
        if (code != 0) type.dtype = dtype_of_code(code, source_);
      } else if (reader.tag() == 2) {
        type.has_shape = true;
        shape(reader.get_message(), type.shape);
      } else {
        reader.skip();
      }
    }
  }

  static void shape(Reader reader, std::vector<Dimension>& shape) {
    while (reader.next()) {
      if (reader.tag() == 1) {
        shape.push_back(dimension(reader.get_message()));
      } else {
        reader.skip();
      }
    }
  }

  static Dimension dimension(Reader reader) {
    Dimension dimension;
    while (reader.next()) {
      if (reader.tag() == 1) {
        dimension = reader.get_int64();
      } else if (reader.tag() == 2) {
        dimension = reader.get_string();
      } else {
        reader.skip();
      }
    }
    return dimension;
  }

  FunctionProto function(Reader reader) {
    FunctionProto function;
    while (reader.next()) {
      switch (reader.tag()) {
        case 1:
          function.name = reader.get_string();
          break;
        case 4:
          function.input.push_back(reader.get_string());
          break;
        case 5:
          function.output.push_back(reader.get_string());
          break;
        case 6:
          function.attribute.push_back(reader.get_string());
          break;
        case 7:
          function.node.push_back(node(reader.get_message()));
          break;
        case 9:
          function.opset_import.push_back(opset(reader.get_message()));
          break;
        case 10:
          function.domain = reader.get_string();
          break;
        case 11:
          function.attribute_proto.push_back(attribute(reader.get_message()));
          break;
        case 13:
          function.overload = reader.get_string();
          break;
        default:
          reader.skip();
      }
    }
    if (function.domain == "ai.onnx") function.domain.clear();
    return function;
  }

  const Source& source_;
  int depth_ = 0;
};

// What protozero refuses is a broken file.
template <class Read>
auto reading(const FileBytes& file, const Read& read) {
  try {
    return read(
        protozero::data_view(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()));
  } catch (const protozero::exception& error) {
    fail(ErrorCode::corrupt_file, "{}: not a valid protobuf message: {}", file.name, error.what());
  }
}

}  // namespace

ModelProto read_model(const FileBytes& file, const std::string& folder) {
  const Source source{file, folder};
  return reading(
      file, [&](protozero::data_view bytes) { return ModelReader(source).model(Reader(bytes)); });
}

ValueProto read_value(const FileBytes& file, TypeProto::Kind kind) {
  const Source source{file, ""};
  return reading(file, [&](protozero::data_view bytes) {
    ModelReader reader(source);
    return kind == TypeProto::Kind::tensor ? reader.of_tensor(bytes)
                                           : reader.value(Reader(bytes), kind);
  });
}

}  // namespace quern::io::onnx
