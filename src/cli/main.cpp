#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/commands.h"
#include "quern/quern.h"
#include "quern/version.h"

namespace {

constexpr int kBadUsage = 2;

int run(int argc, char** argv) {
  CLI::App app{
      "quern runs language models from GGUF files and Hugging Face folders, and ONNX graphs."};
  app.name("quern");
  app.set_version_flag("--version", std::string("quern " QUERN_VERSION));
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Print this help and that of every command");
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("quern: ") + error.what() + " (see quern --help)\n";
  });
  int exit_code = 0;
  quern::cli::add_generate(app);
  quern::cli::add_inspect(app);
  quern::cli::add_check(app, exit_code);
  quern::cli::add_bench(app);
  quern::cli::add_run(app);
  quern::cli::add_onnx_test(app, exit_code);
  quern::cli::add_template(app, exit_code);
#ifdef QUERN_CLI_SERVE
  quern::cli::add_keys(app);
  quern::cli::add_usage(app);
  quern::cli::add_serve(app);
#endif
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return kBadUsage;
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "quern: " << error.what() << "\n";
    return kBadUsage;
  }
}
