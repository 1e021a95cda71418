#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "quern/runtime.h"
#include "support/test_data.h"

namespace {

int cases_run = 0;

struct CaseCounter : doctest::IReporter {
  explicit CaseCounter(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData&) override { ++cases_run; }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("case_counter", 1, CaseCounter);

/// Caps the instruction sets of all kernels at the one that QUERN_TEST_ISA names, if any.
bool cap_isa() {
  const std::map<std::string, quern::Isa> known{{"sse41", quern::Isa::baseline},
                                                {"avx2", quern::Isa::avx2},
                                                {"avx512", quern::Isa::avx512},
                                                {"avx512_vnni", quern::Isa::avx512_vnni}};
  const char* wanted = std::getenv("QUERN_TEST_ISA");
  if (wanted == nullptr) return true;
  const auto cap = known.find(wanted);
  if (cap == known.end()) return false;
  quern::configure({.max_isa = cap->second});
  return true;
}

}  // namespace

// A failure outweighs a skip, which ctest knows by its exit code; a filter that selects nothing is
// a failure too, lest a misspelt one pass for ever.
int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  if (!cap_isa()) {
    std::cerr << "QUERN_TEST_ISA names no instruction set\n";
    return 1;
  }
  doctest::Context context(argc, argv);
  const int failed = context.run();
  if (context.shouldExit() || failed != 0) return failed;
  if (cases_run == 0) {
    std::cerr << "no test case has the name asked for\n";
    return 1;
  }
  return quern::something_was_skipped ? kSkipped : 0;
}
