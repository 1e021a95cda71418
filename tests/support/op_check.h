#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "kernels/each_target.h"
#include "ops/implementations.h"
#include "quern/weights.h"
#include "support/golden_case.h"
#include "support/sanitized.h"
#include "support/tolerance.h"

namespace quern {

/// The same values laid out otherwise.
enum class Layout { as_declared, transposed, stepped, reversed };
inline constexpr Layout kLayouts[] = {Layout::as_declared, Layout::transposed, Layout::stepped,
                                      Layout::reversed};

inline Tensor laid_out(const Tensor& x, Layout layout) {
  if (x.rank() == 0 || layout == Layout::as_declared) return x;
  constexpr std::int64_t kBegin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
  const int first = 0;
  const int last = x.rank() - 1;
  switch (layout) {
    case Layout::transposed:
      return x.transpose(first, last).clone().transpose(first, last);
    case Layout::stepped: {
      Shape wide = x.shape();
      wide[last] *= 2;
      Shape pairs = x.shape();
      pairs.push_back(1);
      const Tensor one = x.reshape(pairs);
      pairs[last + 1] = 2;
      return one.expand(pairs).reshape(wide).slice(last, 0, kEnd, 2);
    }
    case Layout::reversed:
      return x.slice(first, kEnd, kBegin, -1).clone().slice(first, kEnd, kBegin, -1);
    default:
      return x;
  }
}

inline std::string name_of(Layout layout) {
  constexpr const char* kNames[] = {"as declared", "transposed", "stepped", "reversed"};
  return kNames[static_cast<int>(layout)];
}

/// Where `result` is further from `expected` than the tolerance for sums of `terms` terms; empty
/// where it is not. A float may be off by the tolerance times itself, or times the largest of all
/// where sums can cancel (1 at most where nothing is summed, 1 at least where there is one sum).
/// `exponent`: as of OpUnderTest.
inline std::string difference(const Tensor& result, const Tensor& expected, std::int64_t terms,
                              double exponent = 0) {
  if (result.dtype() != expected.dtype() || result.shape() != expected.shape()) {
    return fmt::format("{} {}, expected {} {}", to_string(result.dtype()),
                       to_string(result.shape()), to_string(expected.dtype()),
                       to_string(expected.shape()));
  }
  if (!is_floating(result.dtype())) {
    const auto bytes = [](const Tensor& x) {
      const auto size = static_cast<std::size_t>(x.numel()) * size_of(x.dtype());
      return std::string_view(static_cast<const char*>(x.raw()), size);
    };
    return bytes(result) == bytes(expected) ? "" : result.to_string() + expected.to_string();
  }
  const Tensor wide_result = result.cast(DType::f64);
  const Tensor wide_expected = expected.cast(DType::f64);
  const auto got = wide_result.data<double>();
  const auto wanted = wide_expected.data<double>();
  double largest = 0;
  for (const double value : wanted) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  const bool one_sum = terms > 1 && result.numel() == 1;
  const double floor = one_sum     ? std::max(largest, 1.0)
                       : terms > 1 ? largest
                                   : std::min(largest, 1.0);
  const double allowed =
      tolerance(result.dtype(), terms) +
      exponent * unit_roundoff(result.dtype() == DType::f64 ? DType::f64 : DType::f32);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool same = got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i]));
    const double error = std::abs(got[i] - wanted[i]);
    if (!same && !(error <= allowed * std::max(std::abs(wanted[i]), floor))) {
      return fmt::format("element {}: {}, expected {}, off by {:.3g} where {:.3g} is allowed", i,
                         got[i], wanted[i], error, allowed * std::max(std::abs(wanted[i]), floor));
    }
  }
  return "";
}

/// One way in which a result was computed, or could not be.
struct Computed {
  std::string by;
  Tensor result;
  bool refused = false;  ///< by an implementation that does not take the arguments
};

/// What every implementation computes of `make_args()`, which gives fresh arguments; one must take
/// them.
template <class Args, class MakeArgs>
void run_each(std::span<const ops::Implementation<Args>> implementations, const MakeArgs& make_args,
              std::vector<Computed>& results) {
  bool any = false;
  for (const auto& implementation : implementations) {
    const Args args = make_args();
    const bool ran = implementation.run(args);
    results.push_back({implementation.name, ran ? args.dst : Tensor(), !ran});
    any |= ran;
  }
  CHECK_MESSAGE(any, "no implementation takes the arguments");
}

/// How an op runs a case: by the public function first, then by each implementation.
struct OpUnderTest {
  std::function<std::vector<Computed>(const GoldenCase&)> run;
  /// Terms of the sum in one element of the result.
  std::function<std::int64_t(const GoldenCase&)> terms = [](const GoldenCase&) { return 1; };
  /// The largest of which it takes an exponential, whose relative error is its exponent's own.
  double exponent = 0;
  /// Implementations that are for other ops or sizes: they refuse every case, which each other one
  /// does not.
  std::vector<std::string> not_by = {};
};

/// How often each implementation ran.
using Runs = std::map<std::string, int>;

/// Runs a golden's case in every layout, by every implementation, on every Highway target where one
/// is asked for.
inline void check_op(const OpUnderTest& op, const std::string& name, const Tensor& golden,
                     Runs& runs) {
  const GoldenCase given = parse_golden(name);
  const std::int64_t terms = op.terms(given);
  for (const Layout layout : std::span(kLayouts).first(usually(std::size(kLayouts), 2))) {
    GoldenCase laid = given;
    for (Tensor& input : laid.inputs) input = laid_out(input, layout);
    on_each_target_used([&] {
      for (const Computed& computed : op.run(laid)) {
        runs[computed.by] += computed.refused ? 0 : 1;
        if (computed.refused) continue;
        const std::string wrong =
            difference(sampled_as(golden, computed.result), golden, terms, op.exponent);
        CHECK_MESSAGE(wrong.empty(),
                      fmt::format("{}, {}, by {}: {}", name, name_of(layout), computed.by, wrong));
      }
    });
  }
}

/// Checks that each implementation ran that should have.
inline void check_runs(const std::string& what, const Runs& runs,
                       const std::vector<std::string>& not_by = {}) {
  for (const std::string& name : not_by)
    CHECK_MESSAGE(runs.contains(name), what << " knows no implementation " << name);
  for (const auto& [name, count] : runs) {
    const bool may_refuse = std::ranges::count(not_by, name) > 0;
    CHECK_MESSAGE((may_refuse || count > 0), "no case of " << what << " ran by " << name);
    CHECK_MESSAGE((!may_refuse || count == 0), what << " ran by " << name);
  }
}

/// Checks every golden of the given ops in a file, which must have one at least for each.
inline void check_goldens(const std::map<std::string, OpUnderTest>& ops,
                          const std::string& file = "tests/data/ops_goldens.safetensors") {
  const Weights goldens = Weights::open(file);
  std::map<std::string, Runs> runs;
  for (const std::string& name : goldens.names()) {
    const std::string op = name.substr(0, name.find('('));
    const auto found = ops.find(op);
    if (found == ops.end()) continue;
    check_op(found->second, name, goldens.tensor(name), runs[op]);
  }
  for (const auto& [op, under_test] : ops) {
    CHECK_MESSAGE(runs.contains(op), op << " has no golden");
    check_runs(op, runs[op], under_test.not_by);
  }
}

}  // namespace quern
