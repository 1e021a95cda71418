#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/onnx_cases.h"
#include "cli/onnx_compare.h"
#include "cli/terminal.h"
#include "quern/error.h"

namespace quern::cli {
namespace {

struct OnnxTestArguments {
  std::vector<std::string> folders;
  std::string filter;
  Tolerance tolerance;
  std::int64_t batch = 1;
  int threads = 0;
  bool plain = false;
  bool failures_only = false;
};

struct Outcome {
  enum class Kind { pass, fail, skip } kind = Kind::pass;
  std::string why{};
};

/// What is wrong with one case; empty where nothing is.
std::string run_case(const OnnxCase& test, const OnnxTestArguments& arguments) {
  const auto model = onnx::Model::load(test.model.string(), {.optimise = !arguments.plain});
  for (const OnnxExample& given : test.examples) {
    const OnnxExample example = arguments.batch > 1 ? repeated(given, arguments.batch) : given;
    const onnx::Values inputs = example.inputs(model.info());
    const onnx::Values wanted = example.outputs(model.info());
    if (wanted.empty()) return example.name + ": no expected outputs";
    // The second run takes the plan that the first one made.
    for (int round = 0; round < 2; ++round) {
      const onnx::Values got = model.run(inputs);
      for (const auto& [name, want] : wanted) {
        if (!got.contains(name)) return example.name + ": the model has no output \"" + name + "\"";
        const std::string found = difference(got.at(name), want, arguments.tolerance);
        if (!found.empty()) return example.name + ": output \"" + name + "\": " + found;
      }
    }
  }
  return "";
}

/// Why the examples of a case cannot be repeated; empty where they can.
std::string no_batches(const OnnxCase& test) {
  const auto model = onnx::Model::load(test.model.string(), {.optimise = false});
  const auto& inputs = model.info().inputs;
  if (inputs.empty() || inputs[0].dims.empty() || inputs[0].dims[0] >= 0)
    return "the size of its batches is fixed";
  const bool named = !inputs[0].dim_names[0].empty();
  return named || inputs.size() == 1 ? "" : "which axes are the batch's has no name";
}

Outcome outcome_of(const OnnxCase& test, const OnnxTestArguments& arguments) {
  if (test.examples.empty()) return {Outcome::Kind::fail, "no inputs and outputs beside it"};
  try {
    const std::string reason = arguments.batch > 1 ? no_batches(test) : "";
    if (!reason.empty()) return {Outcome::Kind::skip, reason};
    const std::string wrong = run_case(test, arguments);
    return {wrong.empty() ? Outcome::Kind::pass : Outcome::Kind::fail, wrong};
  } catch (const Error& error) {
    return {Outcome::Kind::fail, std::string(to_string(error.code())) + ": " + error.what()};
  } catch (const std::exception& error) {
    return {Outcome::Kind::fail, error.what()};
  }
}

int run(const OnnxTestArguments& arguments) {
  configure_runtime(arguments.threads);
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t skipped = 0;
  for (const std::string& folder : arguments.folders) {
    for (const OnnxCase& test : find_onnx_cases(folder)) {
      if (test.name.find(arguments.filter) == std::string::npos) continue;
      const Outcome outcome = outcome_of(test, arguments);
      if (outcome.kind == Outcome::Kind::skip) {
        ++skipped;
        std::printf("skip %s: %s\n", test.name.c_str(), outcome.why.c_str());
      } else if (outcome.kind == Outcome::Kind::fail) {
        ++failed;
        std::printf("FAIL %s: %s\n", test.name.c_str(), outcome.why.c_str());
      } else {
        ++passed;
        if (!arguments.failures_only) std::printf("pass %s\n", test.name.c_str());
      }
    }
  }
  std::printf("%zu passed, %zu failed", passed, failed);
  if (skipped > 0) std::printf(", %zu skipped", skipped);
  std::printf("\n");
  return failed > 0 ? 1 : 0;
}

}  // namespace

void add_onnx_test(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<OnnxTestArguments>();
  CLI::App* command = app.add_subcommand(
      "onnx-test", "Run ONNX models on the data beside them: exit code 1 where an output differs");
  command
      ->add_option("folder", arguments->folders,
                   "Folders of cases, looked through to the bottom: model.onnx with "
                   "test_data_set_*, or X.onnx with X.ortref/, "
                   "test_data_*.npz or X_output_0.pb")
      ->required();
  command->add_option("--filter", arguments->filter, "Only cases with this in their name");
  command->add_option("--rtol", arguments->tolerance.relative, "Relative tolerance")
      ->capture_default_str();
  command->add_option("--atol", arguments->tolerance.absolute, "Absolute tolerance")
      ->capture_default_str();
  command
      ->add_option("--batch", arguments->batch,
                   "Repeat each example so many times along the batch, where its size is free")
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", arguments->threads, "Threads; 0: one for each CPU")
      ->capture_default_str();
  command->add_flag("--plain", arguments->plain, "Run the graph as it is, without passes");
  command->add_flag("--failures", arguments->failures_only, "Print only cases that fail");
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace quern::cli
