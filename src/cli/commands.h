#pragma once

#include <CLI/CLI.hpp>

namespace quern::cli {

/// Each adds one subcommand to the program. A subcommand's callback does its work and throws an
/// Error where it cannot; `exit_code` is what the program then ends with, 0 unless it says
/// otherwise.
void add_generate(CLI::App& app);
void add_inspect(CLI::App& app);
void add_check(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app);
void add_run(CLI::App& app);
void add_onnx_test(CLI::App& app, int& exit_code);
void add_template(CLI::App& app, int& exit_code);
void add_serve(CLI::App& app);  // where the build has quern::serve

// Where the program is built with the service.
void add_keys(CLI::App& app);
void add_usage(CLI::App& app);

}  // namespace quern::cli
