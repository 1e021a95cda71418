#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "quern/error.h"
#include "quern/llm.h"
#include "quern/ops.h"

namespace quern::cli {
namespace {

struct CheckArguments {
  std::string model;
  std::string reference;
  double tolerance = 1e-3;
  int threads = 0;
  bool fast = false;
};

struct Difference {
  double largest = 0;
  double range = 0;
  double share() const { return range > 0 ? largest / range : (largest > 0 ? HUGE_VAL : 0); }
};

Difference compare(const Tensor& logits, const Tensor& expected) {
  if (logits.shape() != expected.shape()) {
    throw Error(ErrorCode::invalid_argument, "check: the reference's \"logits\" have shape " +
                                                 to_string(expected.shape()) +
                                                 ", the model gives " + to_string(logits.shape()));
  }
  Difference difference;
  double low = HUGE_VAL;
  double high = -HUGE_VAL;
  const auto got = logits.data<float>();
  const auto want = expected.data<float>();
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - want[i]);
    difference.largest = std::isnan(error) ? HUGE_VAL : std::max(difference.largest, error);
    low = std::min<double>(low, want[i]);
    high = std::max<double>(high, want[i]);
  }
  difference.range = high - low;
  return difference;
}

/// The first place at which greedy decoding of the first row leaves `greedy`, which holds the
/// prompt and what follows, as transformers' generate returns it; -1 for none.
std::int64_t first_greedy_difference(const llm::Model& model, const Tensor& ids,
                                     const Tensor& greedy) {
  const Tensor prompt = ids.slice(0, 0, 1).reshape({-1}).cast(DType::i32).contiguous();
  const Tensor expected = greedy.reshape({-1}).cast(DType::i32);
  const auto want = expected.data<TokenId>();
  const std::int64_t first = prompt.numel();
  if (expected.numel() < first ||
      !std::ranges::equal(want.first(static_cast<std::size_t>(first)), prompt.data<TokenId>())) {
    throw Error(ErrorCode::invalid_argument,
                "check: the reference's \"greedy_ids\" do not begin with its first row of ids");
  }
  llm::GenerateOptions options{.max_tokens = expected.numel() - first, .temperature = 0.f};
  options.ignore_stop_tokens = true;
  const llm::Reply reply = model.generate(prompt.data<TokenId>(), options);
  const auto rest = want.subspan(static_cast<std::size_t>(first));
  const auto differ = std::ranges::mismatch(rest, reply.tokens).in1;
  return differ == rest.end() ? -1 : first + (differ - rest.begin());
}

int run(const CheckArguments& arguments) {
  configure_runtime(arguments.threads);
  const Weights reference = Weights::open(arguments.reference);
  const Tensor ids = reference.tensor("input_ids");
  const auto model = llm::Model::load(
      arguments.model, {.accuracy = arguments.fast ? Accuracy::fast : Accuracy::exact,
                        .context_length = std::max(llm::inspect(arguments.model).context_length,
                                                   2 * ids.dim(-1) + 1024),
                        .progress = progress_bar("loading")});
  const Tensor batch = ids.rank() == 1 ? ids.reshape({1, ids.numel()}) : ids;
  const Tensor logits = model.logits(batch);
  const Tensor expected = reference.get("logits").tensor(DType::f32);
  const Difference difference = compare(
      logits.reshape(expected.rank() == 2 ? Shape{-1, logits.dim(-1)} : logits.shape()), expected);
  std::printf("logits: largest error %.3g, %.3g of their range of %.4g\n", difference.largest,
              difference.share(), difference.range);
  bool same = true;
  if (reference.contains("greedy_ids")) {
    const Tensor greedy = reference.tensor("greedy_ids");
    const std::int64_t at = first_greedy_difference(model, batch, greedy);
    same = at < 0;
    if (same) {
      std::printf("greedy: all %lld ids after the prompt are the reference's\n",
                  static_cast<long long>(greedy.numel() - ids.dim(-1)));
    } else {
      std::printf("greedy: ids differ from position %lld on\n", static_cast<long long>(at));
    }
  }
  const bool within = difference.share() <= arguments.tolerance;
  std::printf("%s (tolerance %.3g of the range)\n", within && same ? "passed" : "FAILED",
              arguments.tolerance);
  return within && same ? 0 : 1;
}

}  // namespace

void add_check(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<CheckArguments>();
  CLI::App* command = app.add_subcommand("check",
                                         "Compare a model with a reference: exit code 1 beyond the "
                                         "tolerance or where greedy ids differ");
  command->add_option("model", arguments->model, "A .gguf file or a Hugging Face folder")
      ->required();
  command
      ->add_option("reference", arguments->reference,
                   "A .safetensors file with input_ids [batch, tokens], logits [batch, tokens, "
                   "vocabulary] and, "
                   "optionally, greedy_ids: the first row and what follows it")
      ->required();
  command
      ->add_option("--tolerance", arguments->tolerance,
                   "Largest error allowed, as a share of the logits' range")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--threads", arguments->threads, "Threads; 0: one for each CPU")
      ->capture_default_str();
  command->add_flag("--fast", arguments->fast,
                    "Check the fast kernels instead of those with f32 activations");
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace quern::cli
