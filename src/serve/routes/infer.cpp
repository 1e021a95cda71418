#include <fmt/format.h>

#include <algorithm>

#include "quern/error.h"
#include "quern/version.h"
#include "serve/infer/tensor_json.h"
#include "serve/members.h"
#include "serve/routes/table.h"

namespace quern::serve {
namespace {

constexpr std::size_t kMaxTensors = 256;

std::shared_ptr<OnnxModel> find_onnx_model(Exchange& exchange) {
  auto model = exchange.service.models.onnx_model(exchange.name);
  if (model && exchange.service.meter.may_use(exchange.caller, exchange.name)) return model;
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

onnx::Values read_inputs(Members& members) {
  const Json& json = members.need("inputs");
  if (!json.is_array()) members.wrong_type("inputs", "an array of tensors");
  if (json.size() > kMaxTensors) {
    throw bad_member("inputs", fmt::format("inputs: at most {}", kMaxTensors));
  }
  onnx::Values inputs;
  for (std::size_t i = 0; i < json.size(); ++i) {
    auto [name, tensor] = tensor_from_json(json[i], fmt::format("inputs[{}].", i));
    if (!inputs.emplace(name, std::move(tensor)).second) {
      throw bad_member(fmt::format("inputs[{}].name", i), fmt::format("inputs[{}].name: twice", i));
    }
  }
  return inputs;
}

/// The names of the outputs that a request asks for; empty: all.
std::vector<std::string> read_outputs(Members& members, const onnx::ModelInfo& info) {
  const Json* json = members.find("outputs");
  if (json == nullptr) return {};
  if (!json->is_array()) members.wrong_type("outputs", "an array of names");
  std::vector<std::string> names;
  for (const Json& entry : *json) {
    Members output(entry, fmt::format("outputs[{}].", names.size()));
    output.need("name");
    names.push_back(*output.string("name"));
    output.ignore("parameters");
    output.no_others();
    const auto known = [&](const onnx::ValueInfo& value) { return value.name == names.back(); };
    if (std::ranges::none_of(info.outputs, known)) {
      throw bad_member(output.path_of("name"),
                       output.path_of("name") + ": the model has no such output");
    }
  }
  return names;
}

Admission admit(Exchange& exchange) {
  Admission admission = exchange.service.meter.admit(exchange.caller, {.model = exchange.name});
  const Decision& decision = admission.decision();
  if (!admission.allowed()) {
    throw ApiError(decision.status, decision.message,
                   {.type = decision.type, .code = decision.code, .headers = decision.headers()});
  }
  for (const auto& [name, value] : decision.headers()) exchange.reply.set_header(name, value);
  return admission;
}

onnx::Values run(Batcher& batcher, onnx::Values inputs) {
  try {
    return batcher.run(std::move(inputs));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
    throw bad_member("inputs", error.what());
  }
}

Json outputs_to_json(const onnx::Values& outputs, const std::vector<std::string>& wanted) {
  Json list = Json::array();
  for (const auto& [name, value] : outputs) {
    if (!wanted.empty() && std::ranges::find(wanted, name) == wanted.end()) continue;
    if (!value.is_tensor()) {
      throw ApiError(400, fmt::format("outputs: \"{}\" is not a tensor", name),
                     {.param = "outputs"});
    }
    list.push_back(tensor_to_json(name, value.tensor()));
  }
  return list;
}

}  // namespace

void describe_server(Exchange& exchange) {
  exchange.reply.send(
      200, kJson,
      dump({{"name", "quern"}, {"version", QUERN_VERSION}, {"extensions", Json::array()}}));
}

void describe_onnx_model(Exchange& exchange) {
  const onnx::ModelInfo& info = find_onnx_model(exchange)->batcher.model().info();
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
  const Json body = parse_body(exchange.request.body);
  Members members(body);
  const std::string id = members.string("id").value_or("");
  onnx::Values inputs = read_inputs(members);
  const std::vector<std::string> wanted = read_outputs(members, model->batcher.model().info());
  members.ignore("parameters");
  members.no_others();

  Admission admission = admit(exchange);
  const onnx::Values outputs = run(model->batcher, std::move(inputs));
  Json answer{{"model_name", exchange.name}, {"outputs", outputs_to_json(outputs, wanted)}};
  if (!id.empty()) answer["id"] = id;
  const auto latency = std::chrono::steady_clock::now() - exchange.request.started;
  exchange.service.meter
      .finish(std::move(admission),
              {.id = exchange.id,
               .finish_reason = "stop",
               .latency = std::chrono::duration_cast<std::chrono::microseconds>(latency)})
      .wait();
  exchange.reply.send(200, kJson, dump(answer));
}

}  // namespace quern::serve
