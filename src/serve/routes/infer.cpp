#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "quern/error.h"
#include "quern/version.h"
#include "serve/infer/tensor_json.h"
#include "serve/members.h"
#include "serve/metered_call.h"
#include "serve/routes/table.h"

namespace quern::serve {
namespace {

constexpr std::size_t kMaxTensors = 256;
constexpr std::string_view kJsonLength = "inference-header-content-length";

std::shared_ptr<OnnxModel> find_onnx_model(Exchange& exchange) {
  if (auto model = exchange.find_model<OnnxModel>(exchange.name)) return model;
  throw ApiError(404, fmt::format("the model \"{}\" does not exist", exchange.name),
                 {.param = "model", .code = "model_not_found"});
}

Json describe(const std::vector<onnx::ValueInfo>& values) {
  Json list = Json::array();
  for (const onnx::ValueInfo& value : values) {
    Json shape = Json::array();
    for (const std::int64_t size : value.dims) shape.push_back(size);
    list.push_back({{"name", value.name},
                    {"datatype", value.has_dtype ? datatype_of(value.dtype) : ""},
                    {"shape", std::move(shape)}});
  }
  return list;
}

/// A body in its two parts: JSON, and where a header says how long that is, the bytes after it.
struct Parts {
  JsonView json;
  std::string_view binary;
};

Parts parts_of(const Request& request) {
  std::string_view json = request.body.text();
  std::string_view binary;
  if (const std::string_view header = request.header(kJsonLength); !header.empty()) {
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), size);
    if (error != std::errc{} || end != header.data() + header.size() || size > json.size()) {
      throw ApiError(400,
                     fmt::format("Inference-Header-Content-Length: \"{}\" is no size within the "
                                 "body, which has {} bytes",
                                 header, json.size()),
                     {.code = "invalid_header"});
    }
    binary = json.substr(size);
    json = json.substr(0, size);
  }
  return {parse_body(json, {.allows_nonfinite = true}), binary};
}

onnx::Values read_inputs(Members& members, std::string_view binary) {
  const JsonView& json = members.need("inputs");
  if (!json.is_array()) members.wrong_type("inputs", "an array of tensors");
  onnx::Values inputs;
  std::size_t i = 0;
  for (const auto& [unnamed, input] : json) {
    if (i == kMaxTensors)
      throw bad_member("inputs", fmt::format("inputs: at most {}", kMaxTensors));
    auto [name, tensor] = read_tensor(input, fmt::format("inputs[{}].", i), binary);
    if (!inputs.emplace(name, std::move(tensor)).second) {
      throw bad_member(fmt::format("inputs[{}].name", i), fmt::format("inputs[{}].name: twice", i));
    }
    ++i;
  }
  if (!binary.empty()) {
    throw bad_member("inputs", fmt::format("inputs: none takes the last {} bytes", binary.size()));
  }
  return inputs;
}

/// An output that a request asks for.
struct Wanted {
  std::string name;
  bool binary = false;
};

/// Throws where the protocol cannot tell of an output, whatever is in it.
void check_output(const onnx::ValueInfo& value) {
  const bool tensor = value.kind == onnx::ValueKind::tensor;
  if (tensor && (!value.has_dtype || !datatype_of(value.dtype).empty())) return;
  throw ApiError(
      400,
      fmt::format("outputs: \"{}\" is {}, for which the protocol has no datatype", value.name,
                  tensor ? fmt::format("a tensor of {}", to_string(value.dtype))
                         : std::string("not a tensor")),
      {.param = "outputs", .code = "unsupported_datatype"});
}

Wanted read_output(JsonView json, const std::string& path, bool binary) {
  Members members(json, path);
  members.need("name");
  Wanted wanted{*members.string("name"), binary};
  if (const JsonView* parameters = members.find("parameters")) {
    Members inner(*parameters, members.path_of("parameters."));
    wanted.binary = inner.boolean("binary_data").value_or(binary);
    inner.only("classification", {0});
    inner.only("shared_memory_region", {});
  }
  members.no_others();
  return wanted;
}

bool read_binary_output(Members& members) {
  const JsonView* parameters = members.find("parameters");
  if (parameters == nullptr) return false;
  return Members(*parameters, "parameters.").boolean("binary_data_output").value_or(false);
}

/// The outputs that a request asks for: without any, all there are, by name.
std::vector<Wanted> read_outputs(Members& members, const onnx::ModelInfo& info) {
  const bool binary = read_binary_output(members);
  std::vector<Wanted> wanted;
  const JsonView* json = members.find("outputs");
  if (json != nullptr && !json->is_array()) members.wrong_type("outputs", "an array of names");
  if (json == nullptr || json->begin() == json->end()) {
    for (const onnx::ValueInfo& value : info.outputs) {
      check_output(value);
      wanted.push_back({value.name, binary});
    }
    std::ranges::sort(wanted, {}, &Wanted::name);
    return wanted;
  }
  for (const auto& [unnamed, entry] : *json) {
    const std::string path = fmt::format("outputs[{}].", wanted.size());
    if (wanted.size() == kMaxTensors) {
      throw bad_member("outputs", fmt::format("outputs: at most {}", kMaxTensors));
    }
    Wanted output = read_output(entry, path, binary);
    const std::string name = output.name;
    if (std::ranges::find(wanted, name, &Wanted::name) != wanted.end()) {
      throw bad_member(path + "name", path + "name: twice");
    }
    wanted.push_back(std::move(output));
    const auto known = std::ranges::find(info.outputs, name, &onnx::ValueInfo::name);
    if (known == info.outputs.end()) {
      throw bad_member(path + "name", path + "name: the model has no such output");
    }
    check_output(*known);
  }
  return wanted;
}

/// What a request asks for.
struct Asked {
  std::string id;
  onnx::Values inputs;
  std::vector<Wanted> outputs;
};

Asked read_asked(const Request& request, const onnx::ModelInfo& info) {
  const Parts body = parts_of(request);
  Members members(body.json);
  Asked asked{.id = members.string("id").value_or(""),
              .inputs = read_inputs(members, body.binary),
              .outputs = read_outputs(members, info)};
  members.no_others();
  return asked;
}

onnx::Values run(onnx::Batcher& batcher, const onnx::Values& inputs) {
  try {
    return batcher.run(inputs);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
    throw bad_member("inputs", error.what());
  }
}

/// An answer in its two parts.
struct AnswerBody {
  std::string json = {};
  std::string binary = {};
  bool has_binary = false;  ///< be it of no bytes
};

/// In the order of the request.
AnswerBody write_outputs(const onnx::Values& outputs, const std::vector<Wanted>& wanted) {
  AnswerBody body{.json = "["};
  for (const Wanted& output : wanted) {
    const onnx::Value& value = outputs.at(output.name);
    if (!value.is_tensor()) {
      throw ApiError(400, fmt::format("outputs: \"{}\" is not a tensor", output.name),
                     {.param = "outputs", .code = "unsupported_datatype"});
    }
    if (body.json.size() > 1) body.json += ',';
    body.has_binary = body.has_binary || output.binary;
    write_tensor(output.name, value.tensor(), body.json, output.binary ? &body.binary : nullptr);
  }
  body.json += ']';
  return body;
}

void send_outputs(Exchange& exchange, const std::string& id, const AnswerBody& outputs) {
  std::string text = fmt::format("{{\"model_name\":{},", dump(exchange.name));
  if (!id.empty()) text += fmt::format("\"id\":{},", dump(id));
  text.append("\"outputs\":").append(outputs.json) += '}';
  if (!outputs.has_binary) return exchange.reply.send(200, kJson, text);
  exchange.reply.set_header("Inference-Header-Content-Length", std::to_string(text.size()));
  text += outputs.binary;
  exchange.reply.send(200, "application/octet-stream", text);
}

}  // namespace

void describe_server(Exchange& exchange) {
  exchange.reply.send(
      200, kJson,
      dump(
          {{"name", "quern"}, {"version", QUERN_VERSION}, {"extensions", {"binary_tensor_data"}}}));
}

void describe_onnx_model(Exchange& exchange) {
  const onnx::ModelInfo& info = find_onnx_model(exchange)->info();
  exchange.reply.send(200, kJson,
                      dump({{"name", exchange.name},
                            {"versions", Json::array()},
                            {"platform", "onnx"},
                            {"inputs", describe(info.inputs)},
                            {"outputs", describe(info.outputs)}}));
}

void onnx_model_readiness(Exchange& exchange) {
  find_onnx_model(exchange);
  exchange.reply.send(200, kJson, dump({{"name", exchange.name}, {"ready", true}}));
}

void infer(Exchange& exchange) {
  const auto model = find_onnx_model(exchange);
  Asked asked = read_asked(exchange.request, model->info());
  exchange.request.body.clear();
  MeteredCall call(exchange, {.model = exchange.name});
  const AnswerBody outputs = write_outputs(run(model->batcher(), asked.inputs), asked.outputs);
  call.bill({});
  send_outputs(exchange, asked.id, outputs);
}

}  // namespace quern::serve
