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
  int threads = 0;
  bool plain = false;
  bool failures_only = false;
};

/// What is wrong with one case; empty where nothing is.
std::string run_case(const OnnxCase& test, const OnnxTestArguments& arguments) {
  const auto model = onnx::Model::load(test.model.string(), {.optimise = !arguments.plain});
  for (const OnnxExample& example : test.examples) {
    const onnx::Values inputs = example.inputs(model.info());
    // The second run takes the plan that the first one made.
    for (int round = 0; round < 2; ++round) {
      const onnx::Values got = model.run(inputs);
      for (const auto& [name, want] : example.outputs(model.info())) {
        const std::string found = difference(got.at(name), want, arguments.tolerance);
        if (!found.empty()) return example.name + ": output \"" + name + "\": " + found;
      }
    }
  }
  return "";
}

std::string outcome_of(const OnnxCase& test, const OnnxTestArguments& arguments) {
  try {
    return run_case(test, arguments);
  } catch (const Error& error) {
    return std::string(to_string(error.code())) + ": " + error.what();
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
      if (test.examples.empty()) {
        ++skipped;
        std::printf("skip %s: no data\n", test.name.c_str());
        continue;
      }
      const std::string wrong = outcome_of(test, arguments);
      ++(wrong.empty() ? passed : failed);
      if (!wrong.empty()) {
        std::printf("FAIL %s: %s\n", test.name.c_str(), wrong.c_str());
      } else if (!arguments.failures_only) {
        std::printf("pass %s\n", test.name.c_str());
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
      ->add_option(
          "folder", arguments->folders,
          "Folders of cases: model.onnx with test_data_set_*, or X.onnx with X_output_0.pb")
      ->required();
  command->add_option("--filter", arguments->filter, "Only cases with this in their name");
  command->add_option("--rtol", arguments->tolerance.relative, "Relative tolerance")
      ->capture_default_str();
  command->add_option("--atol", arguments->tolerance.absolute, "Absolute tolerance")
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "Threads; 0: one for each CPU")
      ->capture_default_str();
  command->add_flag("--plain", arguments->plain, "Run the graph as it is, without passes");
  command->add_flag("--failures", arguments->failures_only, "Print only cases that fail");
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace quern::cli
