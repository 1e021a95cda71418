#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace quern::llm {

/// Values in descending order, equal ones in the order of their indices, without sorting them: sums
/// over buckets of equal leading bits tell where in that order a sum is reached. Buffers are kept
/// between uses.
class Ranking {
 public:
  enum class Measure { count, value };

  /// The end of a run of values that begins at the greatest.
  struct Place {
    std::size_t index = 0;  ///< of its last value
    double sum = 0;         ///< of the whole run
  };

  /// `values`, at least one and none NaN, must outlive the calls below. Sums are of the values,
  /// then none negative, or count them.
  void rank(std::span<const float> values, Measure measure);

  double total() const;
  /// The shortest run that sums to at least `sum`; where none does, the whole.
  Place reach(double sum);
  /// The shortest run that sums to more than `sum`; where none does, the whole.
  Place pass(double sum);

 private:
  struct Member {
    std::uint32_t key;
    std::uint32_t index;
  };

  std::span<Member> members_of(std::size_t bucket);
  template <class Done>
  Place find(const Done& done);

  std::span<const float> values_;
  Measure measure_ = Measure::value;
  std::vector<std::uint16_t> places_;  // the bucket of each value
  std::vector<double> buckets_;
  std::vector<Member> members_;  // of one bucket
};

}  // namespace quern::llm
