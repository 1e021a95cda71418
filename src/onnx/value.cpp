#include "core/error.h"
#include "core/format.h"
#include "io/onnx_proto.h"
#include "quern/onnx.h"

namespace quern::onnx {
namespace {

Value from_proto(io::onnx::ValueProto source) {
  if (source.tensor) return std::move(*source.tensor);
  if (!source.sequence) return {};
  std::vector<Value> items;
  for (io::onnx::ValueProto& item : *source.sequence) items.push_back(from_proto(std::move(item)));
  return Value::sequence(std::move(items));
}

}  // namespace

std::string_view to_string(ValueKind kind) noexcept {
  constexpr std::string_view kNames[] = {"none", "tensor", "sequence", "map"};
  return kNames[static_cast<unsigned>(kind)];
}

Value::Value(Tensor tensor) : kind_(ValueKind::tensor), tensor_(std::move(tensor)) {}

Value Value::sequence(std::vector<Value> items) {
  Value value;
  value.kind_ = ValueKind::sequence;
  value.items_ = std::make_shared<const std::vector<Value>>(std::move(items));
  return value;
}

Value Value::map(Tensor keys, Tensor values) {
  require(keys.dtype() == DType::i64 || keys.dtype() == DType::string,
          "map: keys of dtype {}, expected i64 or string", keys.dtype());
  require(keys.rank() == 1 && values.shape() == keys.shape(), "map: keys {} and values {}",
          keys.shape(), values.shape());
  Value value = sequence({std::move(keys), std::move(values)});
  value.kind_ = ValueKind::map;
  return value;
}

Value Value::open(const std::string& path, ValueKind kind) {
  using Kind = io::onnx::TypeProto::Kind;
  const Kind wanted = kind == ValueKind::tensor     ? Kind::tensor
                      : kind == ValueKind::sequence ? Kind::sequence
                                                    : Kind::optional;
  return from_proto(io::onnx::read_value(io::map_file(path), wanted));
}

const Tensor& Value::tensor() const {
  require(kind_ == ValueKind::tensor, "value: a tensor expected, got a {}", to_string(kind_));
  return tensor_;
}

std::span<const Value> Value::items() const {
  require(items_ != nullptr, "value: a sequence expected, got a {}", to_string(kind_));
  return *items_;
}

const Tensor& Value::keys() const {
  require(kind_ == ValueKind::map, "value: a map expected, got a {}", to_string(kind_));
  return (*items_)[0].tensor();
}

const Tensor& Value::values() const {
  require(kind_ == ValueKind::map, "value: a map expected, got a {}", to_string(kind_));
  return (*items_)[1].tensor();
}

}  // namespace quern::onnx
