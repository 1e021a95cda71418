#include "quern/serve.h"

#include <fmt/format.h>
#include <signal.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "quern/error.h"

namespace quern::cli {
namespace {

struct ServeArguments {
  std::string config;
  std::vector<std::string> models;
  std::string name;
  std::string host;
  int port = -1;
  std::int64_t context = 0;
  int threads = 0;
  bool exact = false;
  int drain_seconds = 30;
};

/// "models/storyteller-q8_0.gguf" is served as "storyteller-q8_0".
std::string name_of(const std::string& path) {
  std::filesystem::path file(path);
  if (!file.has_filename()) file = file.parent_path();
  return std::filesystem::is_directory(file) ? file.filename().string() : file.stem().string();
}

serve::Config config_of(const ServeArguments& arguments) {
  serve::Config config =
      arguments.config.empty() ? serve::Config{} : serve::Config::load(arguments.config);
  if (!arguments.host.empty()) config.host = arguments.host;
  if (arguments.port >= 0) config.port = arguments.port;
  if (arguments.threads > 0) config.threads = 0;  // which are the command line's
  for (const std::string& path : arguments.models) {
    config.models.push_back({.name = arguments.name.empty() ? name_of(path) : arguments.name,
                             .path = path,
                             .exact = arguments.exact,
                             .context_length = arguments.context});
  }
  if (config.models.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "serve: give a model with -m, or a --config that has one");
  }
  return config;
}

/// SIGTERM and SIGINT, kept from all threads that start while this exists: `wait` takes them.
class Termination {
 public:
  Termination() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~Termination() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  Termination(const Termination&) = delete;
  Termination& operator=(const Termination&) = delete;

  void wait() const {
    int signal = 0;
    sigwait(&signals_, &signal);
  }

 private:
  sigset_t signals_{};
  sigset_t before_{};
};

void run(const ServeArguments& arguments) {
  const serve::Config config = config_of(arguments);
  configure_runtime(arguments.threads);
  const Termination termination;
  serve::Server server(config);
  server.start();
  const char* const scheme = config.tls.certificate.empty() ? "http" : "https";
  // At once, so that nobody who waits for it reads a part of the line.
  std::cerr << fmt::format("quern serves at {}://{}:{}\n", scheme, config.host, server.port());
  termination.wait();
  std::cerr << "quern ends: it takes no more requests, and waits for those that run" << std::endl;
  server.stop(std::chrono::seconds(arguments.drain_seconds));
}

}  // namespace

void add_serve(CLI::App& app) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App* command =
      app.add_subcommand("serve", "Put models behind an HTTP API in the shape of OpenAI's");
  command
      ->add_option("-m,--model", arguments->models,
                   "A .gguf file or a Hugging Face folder; may be given more than once")
      ->allow_extra_args(false);
  CLI::Option* name = command->add_option("--name", arguments->name,
                                          "What requests call the model; default: its file's name");
  command->add_option("--config", arguments->config, "A JSON file: models, plans, limits, TLS");
  command->add_option("--host", arguments->host,
                      "The address to listen at; default: 127.0.0.1, others take plans and keys");
  command->add_option("--port", arguments->port, "The port; 0: any that is free; default: 8080")
      ->check(CLI::Range(0, 65535));
  command
      ->add_option("--context", arguments->context,
                   "Tokens of a conversation; default: the model's")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--threads", arguments->threads, "Threads; 0: one for each CPU")
      ->capture_default_str();
  command->add_flag("--exact", arguments->exact, "Compute with f32 activations: slower");
  command
      ->add_option("--drain", arguments->drain_seconds,
                   "Seconds that requests may take to end after SIGTERM")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->callback([arguments, name] {
    if (name->count() > 0 && arguments->models.size() != 1) {
      throw Error(ErrorCode::invalid_argument, "serve: --name goes with one --model");
    }
    run(*arguments);
  });
}

}  // namespace quern::cli
