#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "onnx/model_maker.h"
#include "quern/onnx.h"
#include "serve/running_server.h"

namespace quern::serve {
namespace {

using Json = nlohmann::json;

onnx::Model affine() { return onnx::Model::load("tests/data/serve/affine.onnx"); }

Json input(const Json& more = Json::object()) {
  Json tensor{{"name", "x"}, {"shape", {2, 3}}, {"datatype", "FP32"}, {"data", {1, 0, 0, 0, 1, 1}}};
  tensor.update(more);
  return {{"inputs", {tensor}}};
}

struct InferServer : RunningServer {
  InferServer() { server().add("affine", affine()); }
};

/// A graph that gives back what it is given, of each datatype an input; all must be there.
struct EchoServer : RunningServer {
  struct Type {
    const char* name;
    const char* datatype;
    std::int32_t onnx;
    std::int64_t count;
    std::string bytes;  ///< of `count` elements
  };
  static const std::vector<Type> kTypes;

  EchoServer() {
    ModelMaker maker;
    for (const Type& type : kTypes) {
      const std::string name = type.name;
      maker.inputs.push_back(ModelMaker::value(name, {type.count}, type.onnx));
      maker.outputs.push_back(ModelMaker::value(name + "_out", {type.count}, type.onnx));
      maker.nodes.push_back(ModelMaker::node("Identity", {name}, {name + "_out"}));
    }
    server().add("echo", onnx::Model::parse(bytes_of(maker.model())));
  }

  static std::string name_of(std::string_view datatype) {
    return std::ranges::find(kTypes, datatype, &Type::datatype)->name;
  }
  /// The tensor, and after it the graph's other inputs, in JSON.
  static Json with_others(const Json& tensor) {
    Json inputs{tensor};
    for (const Type& type : kTypes) {
      if (tensor["name"] == type.name) continue;
      const Json zero = type.onnx == 8 ? Json("") : type.onnx == 9 ? Json(false) : Json(0);
      inputs.push_back({{"name", type.name},
                        {"shape", {type.count}},
                        {"datatype", type.datatype},
                        {"data", std::vector<Json>(static_cast<std::size_t>(type.count), zero)}});
    }
    return inputs;
  }
  Answer infer(const Json& json, const std::string& binary) {
    const std::string text = json.dump();
    return ask("POST", "/v2/models/echo/infer", text + binary,
               "Inference-Header-Content-Length: " + std::to_string(text.size()) + "\r\n");
  }
};

using namespace std::string_literals;

const std::vector<EchoServer::Type> EchoServer::kTypes{
    // NaN with a payload, infinity, -infinity, the smallest there is.
    {"f32", "FP32", 1, 4, "\x01\0\xc0\x7f\0\0\x80\x7f\0\0\x80\xff\1\0\0\0"s},
    {"u8", "UINT8", 2, 3, "\0\x7f\xff"s},
    {"i8", "INT8", 3, 3, "\0\x7f\x80"s},
    {"u16", "UINT16", 4, 1, "\xff\xfe"s},
    {"i16", "INT16", 5, 1, "\0\x80"s},
    {"i32", "INT32", 6, 1, "\0\0\0\x80"s},
    {"i64", "INT64", 7, 2, "\xff\xff\xff\xff\xff\xff\xff\x7f\0\0\0\0\0\0\0\x80"s},
    {"string", "BYTES", 8, 2, "\3\0\0\0\xff\0a\0\0\0\0"s},
    {"boolean", "BOOL", 9, 3, "\1\0\1"s},
    {"f16", "FP16", 10, 4, "\0\x3c\0\x7c\0\xfc\1\x7e"s},
    {"f64", "FP64", 11, 4,
     "\1\0\0\0\0\0\xf8\x7f\0\0\0\0\0\0\xf0\x7f\0\0\0\0\0\0\xf0\xff\1\0\0\0\0\0\0\0"s},
    {"u32", "UINT32", 12, 1, "\xff\xff\xff\xff"s},
    {"u64", "UINT64", 13, 1, "\xff\xff\xff\xff\xff\xff\xff\xff"s},
    {"bf16", "BF16", 16, 4, "\x80\x3f\x80\x7f\x80\xff\xc1\x7f"s},
};

/// The JSON of an answer and the bytes after it.
std::pair<Json, std::string> split(const Answer& answer) {
  constexpr std::string_view kHeader = "Inference-Header-Content-Length: ";
  const std::size_t at = answer.head.find(kHeader);
  REQUIRE(at != std::string::npos);
  const std::size_t size = std::stoul(answer.head.substr(at + kHeader.size()));
  return {Json::parse(answer.body.substr(0, size)), answer.body.substr(size)};
}

}  // namespace

TEST_CASE("the server and its models describe themselves") {
  InferServer server;
  CHECK(server.get("/v2").json()["name"] == "quern");
  CHECK(server.get("/v2/health/live").status == 200);
  CHECK(server.get("/v2/health/ready").status == 200);
  CHECK(server.get("/v2/models/affine/ready").json()["ready"] == true);
  const Json model = server.get("/v2/models/affine").json();
  CHECK(model["platform"] == "onnx");
  CHECK(model["inputs"] == Json{{{"name", "x"}, {"datatype", "FP32"}, {"shape", {-1, 3}}}});
  CHECK(model["outputs"].size() == 2);
  CHECK(server.get("/v2/models/other").status == 404);
  CHECK(server.get("/v2/models/story/ready").status == 404);
}

TEST_CASE("a model is run on tensors in JSON, flat or nested") {
  InferServer server;
  const Json flat = server.post("/v2/models/affine/infer", input({{"name", "x"}})).json();
  Json y = flat["outputs"][1];
  CHECK(
      y ==
      Json{{"name", "y"}, {"datatype", "FP32"}, {"shape", {2, 2}}, {"data", {1.5, 1.5, 8.5, 9.5}}});
  CHECK(flat["outputs"][0]["name"] == "square");
  CHECK(flat["outputs"][0]["data"] == Json{2.25, 2.25, 72.25, 90.25});
  const Json nested =
      server.post("/v2/models/affine/infer", input({{"data", {{1, 0, 0}, {0, 1, 1}}}})).json();
  CHECK(nested["outputs"] == flat["outputs"]);
}

TEST_CASE("a request's id comes back, with the outputs it asks for alone") {
  InferServer server;
  Json body = input();
  body["id"] = "mine";
  body["outputs"] = {{{"name", "square"}}};
  const Json answer = server.post("/v2/models/affine/infer", body).json();
  CHECK(answer["id"] == "mine");
  CHECK(answer["model_name"] == "affine");
  REQUIRE(answer["outputs"].size() == 1);
  CHECK(answer["outputs"][0]["name"] == "square");
}

TEST_CASE("a wrong tensor is named") {
  InferServer server;
  const std::vector<std::pair<Json, std::string>> cases{
      {{{"datatype", "FP33"}}, "inputs[0].datatype"},
      {{{"datatype", 5}}, "inputs[0].datatype"},
      {{{"shape", {2, 4}}}, "inputs[0].shape"},
      {{{"shape", {2, 2}}}, "inputs[0].data"},
      {{{"shape", {-2, -3}}}, "inputs[0].shape"},
      {{{"shape", {4294967296, 4294967296}}}, "inputs[0].shape"},
      {{{"shape", "x"}}, "inputs[0].shape"},
      {{{"data", {1, 0, 0, 0, 1, "x"}}}, "inputs[0].data"},
      {{{"data", 5}}, "inputs[0].data"},
      {{{"datatype", "INT8"}, {"data", {1, 0, 0, 0, 1, 128}}}, "inputs[0].data"},
      {{{"datatype", "UINT8"}, {"data", {1, 0, 0, 0, 1, -1}}}, "inputs[0].data"},
      {{{"datatype", "INT64"}}, "inputs"},
      {{{"name", "z"}}, "inputs"},
      {{{"shape", {3, 2}}}, "inputs"},
      {{{"colour", 1}}, "inputs[0].colour"},
  };
  for (const auto& [more, param] : cases) {
    const std::string wrong = more.dump();
    CAPTURE(wrong);
    const Answer answer = server.post("/v2/models/affine/infer", input(more));
    CHECK(answer.status == 400);
    CHECK(answer.json()["error"]["param"] == param);
  }
  CHECK(server.post("/v2/models/affine/infer", Json::object()).json()["error"]["param"] ==
        "inputs");
}

TEST_CASE("binary tensors come and go as bytes after the JSON, exactly") {
  EchoServer server;
  for (const EchoServer::Type& type : EchoServer::kTypes) {
    CAPTURE(type.datatype);
    const std::string bytes = type.bytes;
    const Json tensor{{"name", type.name},
                      {"shape", {type.count}},
                      {"datatype", type.datatype},
                      {"parameters", {{"binary_data_size", bytes.size()}}}};
    for (const Json& asks : std::vector<Json>{
             {{"outputs",
               {{{"name", std::string(type.name) + "_out"},
                 {"parameters", {{"binary_data", true}}}}}}},
             {{"parameters", {{"binary_data_output", true}}}},
         }) {
      Json json{{"inputs", {tensor}}};
      json.update(asks);
      json["inputs"] = server.with_others(tensor);
      const Answer answer = server.infer(json, bytes);
      REQUIRE_MESSAGE(answer.status == 200, answer.body);
      CHECK(answer.has_header("Content-Type: application/octet-stream"));
      const auto [head, binary] = split(answer);
      std::size_t at = 0;
      for (const Json& output : head["outputs"]) {
        CHECK_FALSE(output.contains("data"));
        const std::size_t size = output["parameters"]["binary_data_size"];
        if (output["name"] == std::string(type.name) + "_out") {
          CHECK(output["datatype"] == type.datatype);
          CHECK(output["shape"] == Json{type.count});
          CHECK(binary.substr(at, size) == bytes);
        }
        at += size;
      }
      CHECK(at == binary.size());
    }
  }
}

TEST_CASE("binary tensors whose sizes do not fit are refused") {
  InferServer server;
  const auto status = [&](const Json& more, const std::string& bytes, const std::string& length) {
    Json tensor{{"name", "x"}, {"shape", {2, 3}}, {"datatype", "FP32"}};
    tensor.update(more);
    const std::string json = Json{{"inputs", {tensor}}}.dump();
    const std::string header = length.empty() ? std::to_string(json.size()) : length;
    return server
        .ask("POST", "/v2/models/affine/infer", json + bytes,
             "Inference-Header-Content-Length: " + header + "\r\n")
        .status;
  };
  const auto sized = [](const Json& size) {
    return Json{{"parameters", {{"binary_data_size", size}}}};
  };
  const std::string bytes(24, '\0');
  CHECK(status(sized(24), bytes, "") == 200);
  for (const Json& size : std::vector<Json>{23, 25, 0, -1, 1e30, "24", 9223372036854775807}) {
    CAPTURE(size);
    CHECK(status(sized(size), bytes, "") == 400);
  }
  CHECK(status(sized(24), bytes + "x", "") == 400);
  CHECK(status(sized(24), bytes.substr(1), "") == 400);
  for (const char* length : {"99999", "-1", "x", "1x", "0", "18446744073709551616"}) {
    CAPTURE(length);
    CHECK(status(sized(24), bytes, length) == 400);
  }
  Json both = sized(24);
  both["data"] = {0, 0, 0, 0, 0, 0};
  CHECK(status(both, bytes, "") == 400);
  Json huge = sized(24);
  huge["shape"] = {4611686018427387904, 2};
  CHECK(status(huge, bytes, "") == 400);
  Json shared{{"parameters", {{"shared_memory_region", "r"}, {"binary_data_size", 24}}}};
  CHECK(status(shared, bytes, "") == 400);
  EchoServer echo;
  const auto strings = [&](const std::string& text) {
    const Json tensor{{"name", "string"},
                      {"shape", {2}},
                      {"datatype", "BYTES"},
                      {"parameters", {{"binary_data_size", text.size()}}}};
    return echo.infer({{"inputs", echo.with_others(tensor)}}, text).status;
  };
  CHECK(strings(std::string("\1\0\0\0a\0\0\0\0", 9)) == 200);
  for (const std::string& wrong :
       {std::string("\1\0\0\0a\0\0\0", 8), std::string("\1\0\0\0a\0\0\0\0x", 10),
        std::string("\xff\xff\xff\xff"
                    "a\0\0\0\0",
                    9),
        std::string("\1\0\0\0a", 5)}) {
    CAPTURE(wrong.size());
    CHECK(strings(wrong) == 400);
  }
}

TEST_CASE("numbers that JSON lacks are told apart, both ways") {
  EchoServer server;
  const Json values{"NaN", "Infinity", "-Infinity", 1.5};
  for (const char* data : {R"(["NaN","Infinity","-Infinity",1.5])", "[NaN,Infinity,-Infinity,1.5]",
                           R"([null,"Infinity",-Infinity,1.5])"}) {
    CAPTURE(data);
    for (const char* datatype : {"FP32", "FP64", "FP16", "BF16"}) {
      CAPTURE(datatype);
      const Json tensor{{"name", EchoServer::name_of(datatype)},
                        {"shape", {4}},
                        {"datatype", datatype},
                        {"data", "here"}};
      std::string body = Json{{"inputs", server.with_others(tensor)}}.dump();
      body.replace(body.find("\"here\""), 6, data);
      const Answer answer = server.ask("POST", "/v2/models/echo/infer", body);
      REQUIRE_MESSAGE(answer.status == 200, answer.body);
      const Json answered = answer.json();
      for (const Json& output : answered["outputs"]) {
        if (output["datatype"] == datatype) CHECK(output["data"] == values);
      }
    }
  }
  for (const char* data : {"[1e39]", "[-1e39]", "[1e999]", "[\"nan\"]", "[\"1\"]"}) {
    CAPTURE(data);
    const std::string body = R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":)" +
                             std::string(data) + "}]}";
    CHECK(server.ask("POST", "/v2/models/echo/infer", body).json()["error"]["param"] ==
          "inputs[0].data");
  }
}

TEST_CASE("a tensor may have no elements") {
  InferServer server;
  for (const Json& more : std::vector<Json>{
           {{"shape", {0, 3}}, {"data", Json::array()}},
           {{"shape", {0, 3}}, {"data", {Json::array(), Json::array()}}},
       }) {
    const Answer answer = server.post("/v2/models/affine/infer", input(more));
    REQUIRE_MESSAGE(answer.status == 200, answer.body);
    CHECK(answer.json()["outputs"][1] ==
          Json{{"name", "y"}, {"datatype", "FP32"}, {"shape", {0, 2}}, {"data", Json::array()}});
  }
  for (const Json& shape : std::vector<Json>{{0, 4}, {0, 1099511627776}, {0, -1}}) {
    CAPTURE(shape);
    CHECK(server.post("/v2/models/affine/infer", input({{"shape", shape}, {"data", Json::array()}}))
              .status == 400);
  }
}

TEST_CASE("an output that the protocol cannot tell of is refused by name") {
  ModelMaker maker;
  maker.inputs = {ModelMaker::value("x", {2})};
  maker.outputs = {ModelMaker::value("small", {2}, 17), ModelMaker::value("y", {2})};
  maker.nodes = {ModelMaker::node("Cast", {"x"}, {"small"}, {ModelMaker::int_attribute("to", 17)}),
                 ModelMaker::node("Neg", {"x"}, {"y"})};
  RunningServer server;
  server.server().add("narrow", onnx::Model::parse(bytes_of(maker.model(19))));
  Json body{{"inputs", {{{"name", "x"}, {"shape", {2}}, {"datatype", "FP32"}, {"data", {1, 2}}}}}};
  for (const Json& asked : std::vector<Json>{Json::array(), {{{"name", "small"}}}}) {
    body["outputs"] = asked;
    const Answer answer = server.post("/v2/models/narrow/infer", body);
    CHECK(answer.status == 400);
    CHECK(answer.json()["error"]["param"] == "outputs");
    const std::string message = answer.json()["error"]["message"];
    CHECK(message.find("\"small\" is a tensor of f8e4m3fn") != std::string::npos);
  }
  body["outputs"] = {{{"name", "y"}}};
  CHECK(server.post("/v2/models/narrow/infer", body).json()["outputs"][0]["data"] == Json{-1, -2});
}

TEST_CASE("strings that are not UTF-8 are had as binary data only") {
  EchoServer server;
  const std::string bytes("\1\0\0\0\xff\0\0\0\0", 9);
  const Json tensor{{"name", "string"},
                    {"shape", {2}},
                    {"datatype", "BYTES"},
                    {"parameters", {{"binary_data_size", bytes.size()}}}};
  const Answer answer = server.infer({{"inputs", server.with_others(tensor)}}, bytes);
  CHECK(answer.status == 400);
  CHECK(answer.body.find("not UTF-8") != std::string::npos);
}

}  // namespace quern::serve
