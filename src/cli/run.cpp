#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "cli/commands.h"
#include "cli/image.h"
#include "cli/onnx_describe.h"
#include "cli/terminal.h"
#include "quern/error.h"
#include "quern/npy.h"
#include "quern/onnx.h"

namespace quern::cli {
namespace {

namespace fs = std::filesystem;

struct RunArguments {
  std::string model;
  std::vector<std::string> inputs;  // name=file
  PixelScale pixels;
  std::string output;
  std::string trace;
  bool random = false;
  bool profile = false;
  bool bf16 = false;
  bool plain = false;
  bool json = false;
  int repeat = 1;
  int threads = 0;
  Isa max_isa = Isa::automatic;
};

/// Values that a model of the declared type can take: floats in [-1, 1), small integers.
Tensor random_tensor(const onnx::ValueInfo& info) {
  Shape shape;
  for (const std::int64_t dim : info.dims) shape.push_back(dim < 0 ? 1 : dim);
  Tensor values = Tensor::empty(shape);
  std::mt19937 random(7);
  std::uniform_real_distribution<float> distribution(-1.f, 1.f);
  for (float& value : values.mutable_data<float>()) value = distribution(random);
  if (is_floating(info.dtype)) return values.cast(info.dtype);
  for (float& value : values.mutable_data<float>()) value = value > 0 ? 1.f : 0.f;
  return values.cast(info.dtype);
}

onnx::Value read_input(const std::string& name, const std::string& file,
                       const RunArguments& arguments, const onnx::ModelInfo& info) {
  if (fs::path(file).extension() == ".npy") return read_npy(file);
  if (!is_image(file)) return onnx::Value::open(file);
  const auto input = std::ranges::find(info.inputs, name, &onnx::ValueInfo::name);
  if (input == info.inputs.end()) {
    std::string known;
    for (const onnx::ValueInfo& other : info.inputs)
      known += (known.empty() ? "\"" : ", \"") + other.name + "\"";
    throw Error(ErrorCode::invalid_argument,
                "run: no input \"" + name + "\"; the model has " + known);
  }
  return read_image(file, *input, arguments.pixels);
}

onnx::Values gather_inputs(const RunArguments& arguments, const onnx::ModelInfo& info) {
  onnx::Values inputs;
  for (const std::string& given : arguments.inputs) {
    const std::size_t equals = given.find('=');
    if (equals == std::string::npos)
      throw Error(ErrorCode::invalid_argument,
                  "run: --input \"" + given + "\", expected NAME=FILE");
    const std::string name = given.substr(0, equals);
    const std::string file = given.substr(equals + 1);
    inputs.emplace(name, read_input(name, file, arguments, info));
  }
  for (const onnx::ValueInfo& input : info.inputs) {
    if (!arguments.random || inputs.contains(input.name)) continue;
    if (input.kind == onnx::ValueKind::tensor && !input.is_optional)
      inputs.emplace(input.name, random_tensor(input));
  }
  return inputs;
}

bool needs_inputs(const onnx::ModelInfo& info) {
  return !std::ranges::all_of(info.inputs, &onnx::ValueInfo::is_optional);
}

/// What the graph takes, for who has given nothing.
void list_inputs(const onnx::ModelInfo& info) {
  std::printf("inputs, each to be given by --input NAME=FILE, or all by --random:\n");
  for (const onnx::ValueInfo& input : info.inputs)
    std::printf("  %s%s\n", describe(input).c_str(), input.is_optional ? " (optional)" : "");
  for (const onnx::ValueInfo& input : info.defaulted)
    std::printf("  %s (has a value in the file)\n", describe(input).c_str());
}

void print_profile(const std::vector<onnx::NodeTiming>& rows) {
  struct Sum {
    double time = 0;
    int count = 0;
  };
  std::map<std::string, Sum> by_type;
  double total = 0;
  for (const onnx::NodeTiming& row : rows) {
    by_type[row.op_type].time += row.duration;
    ++by_type[row.op_type].count;
    total += row.duration;
  }
  std::vector<std::pair<std::string, Sum>> sorted(by_type.begin(), by_type.end());
  std::ranges::sort(sorted, std::greater<>(), [](const auto& row) { return row.second.time; });
  std::printf("%-28s %6s %10s %6s\n", "operator", "nodes", "us", "%");
  for (const auto& [type, sum] : sorted) {
    std::printf("%-28s %6d %10.1f %6.1f\n", type.c_str(), sum.count, sum.time,
                total > 0 ? 100 * sum.time / total : 0);
  }
  std::vector<onnx::NodeTiming> slowest = rows;
  std::ranges::sort(slowest, std::greater<>(), &onnx::NodeTiming::duration);
  if (slowest.size() > 10) slowest.resize(10);
  std::printf("\n%-52s %-20s %10s\n", "slowest nodes", "operator", "us");
  for (const onnx::NodeTiming& row : slowest) {
    std::printf("%-52.52s %-20s %10.1f\n", row.name.c_str(), row.op_type.c_str(), row.duration);
  }
}

/// For chrome://tracing and Perfetto.
void write_trace(const std::string& path, const std::vector<onnx::NodeTiming>& rows) {
  nlohmann::json events = nlohmann::json::array();
  for (const onnx::NodeTiming& row : rows) {
    events.push_back({{"name", row.name},
                      {"cat", row.op_type},
                      {"ph", "X"},
                      {"ts", row.start},
                      {"dur", row.duration},
                      {"pid", 1},
                      {"tid", 1}});
  }
  std::ofstream file(path);
  file << nlohmann::json{{"traceEvents", events}} << std::flush;
  if (!file)
    throw Error(ErrorCode::invalid_argument, "run: the trace \"" + path + "\" cannot be written");
}

void save_outputs(const std::string& folder, const onnx::Values& outputs) {
  for (const auto& [name, value] : outputs) {
    if (!value.is_tensor() || value.tensor().dtype() == DType::string) continue;
    std::string file = name;
    std::ranges::replace(file, '/', '_');
    write_npy((fs::path(folder) / (file + ".npy")).string(), value.tensor());
  }
}

void run(const RunArguments& arguments) {
  using Clock = std::chrono::steady_clock;
  const auto milliseconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  configure_runtime(arguments.threads, arguments.max_isa);
  const auto load_start = Clock::now();
  const auto model = onnx::Model::load(
      arguments.model, {.precision = arguments.bf16 ? onnx::Precision::bf16 : onnx::Precision::f32,
                        .optimise = !arguments.plain});
  const double load_ms = milliseconds_since(load_start);
  if (arguments.inputs.empty() && !arguments.random && needs_inputs(model.info()))
    return list_inputs(model.info());
  const onnx::Values inputs = gather_inputs(arguments, model.info());
  onnx::Session session(model);
  onnx::Values outputs = session.run(inputs);  // makes the plan
  std::vector<double> times;
  std::vector<onnx::NodeTiming> rows;
  for (int i = 0; i < arguments.repeat; ++i) {
    rows.clear();
    const auto start = Clock::now();
    outputs = session.run(inputs, {.profile = arguments.profile ? &rows : nullptr});
    times.push_back(milliseconds_since(start));
  }
  std::ranges::sort(times);
  const double median = times[times.size() / 2];
  if (arguments.json) {
    std::cout << nlohmann::json{{"load_ms", load_ms},
                                {"median_ms", median},
                                {"fastest_ms", times.front()},
                                {"resident_bytes", resident_bytes()},
                                {"peak_bytes", peak_resident_bytes()},
                                {"isa", runtime_info().isa}}
              << "\n";
  } else {
    for (const auto& [name, value] : outputs) {
      const std::string text =
          value.is_tensor() ? value.tensor().to_string() : std::string(to_string(value.kind()));
      std::printf("%s: %s\n", name.c_str(), text.c_str());
    }
    std::printf("loaded in %.1f ms; %d runs, median %.3f ms, fastest %.3f ms\n", load_ms,
                arguments.repeat, median, times.front());
  }
  if (!arguments.output.empty()) fs::create_directories(arguments.output);
  if (arguments.profile) {
    print_profile(rows);
    const std::string trace = arguments.trace.empty()
                                  ? (fs::path(arguments.output) / "trace.json").string()
                                  : arguments.trace;
    write_trace(trace, rows);
    std::printf("\nthe last run's trace, for chrome://tracing or Perfetto: %s\n", trace.c_str());
  }
  if (!arguments.output.empty()) save_outputs(arguments.output, outputs);
}

}  // namespace

void add_run(CLI::App& app) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand("run", "Run an ONNX model");
  command->add_option("model", arguments->model, "A .onnx file")->required();
  command->add_option(
      "--input", arguments->inputs,
      "NAME=FILE, once for each input: an array (.npy), a tensor (.pb), or an image "
      "(.png, .jpg, .bmp, .ppm), stretched to the input's height and width; its channels "
      "are red, green, blue, its floats 0 to 1");
  command
      ->add_option("--mean", arguments->pixels.mean,
                   "Taken off an image's floats, of all channels or of each: 0.485,0.456,0.406")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--std", arguments->pixels.std, "Then divided by: 0.229,0.224,0.225")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--random", arguments->random, "Random values for inputs that are not given");
  command->add_option("--output", arguments->output, "A folder for the outputs, as .npy");
  command->add_option("--repeat", arguments->repeat, "Runs to time, after one that is not")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  CLI::Option* profile =
      command->add_flag("--profile", arguments->profile,
                        "Print operators and nodes by time, and write a Chrome trace");
  command
      ->add_option("--trace", arguments->trace,
                   "Where the trace goes, else into trace.json in the folder of --output or here")
      ->needs(profile);
  command->add_flag("--bf16", arguments->bf16, "Products in bf16 where the machine gains by it");
  command->add_flag("--plain", arguments->plain, "Run the graph as it is, without passes");
  command->add_flag("--json", arguments->json, "Print times as JSON, and no outputs");
  command->add_option("--threads", arguments->threads, "Threads; 0: one for each CPU")
      ->capture_default_str();
  const std::map<std::string, Isa> instruction_sets{{"baseline", Isa::baseline},
                                                    {"avx2", Isa::avx2},
                                                    {"avx512", Isa::avx512},
                                                    {"avx512_vnni", Isa::avx512_vnni},
                                                    {"avx512_bf16", Isa::avx512_bf16}};
  command->add_option("--isa", arguments->max_isa, "The newest instruction set to use")
      ->transform(CLI::CheckedTransformer(instruction_sets))
      ->option_text("NAME");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace quern::cli
