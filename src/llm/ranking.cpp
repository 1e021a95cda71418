#include "llm/ranking.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace quern::llm {
namespace {

// Neighbours in one bucket would wait for each other's sums.
constexpr std::size_t kLanes = 4;
constexpr int kFirstShift = 20;
constexpr std::size_t kFirstBuckets = std::size_t{1} << (32 - kFirstShift);
constexpr int kShifts[] = {10, 0};  // of what the first bits leave
constexpr std::size_t kBuckets = 1024;

/// Ordered as the values are.
std::uint32_t key_of(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value + 0.f);  // -0.f equals 0.f
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

struct Member {
  std::uint32_t key;
  std::uint32_t index;
};

/// The bucket, from the last one down, in which `sum` with the buckets above it is `done`; else the
/// lowest that is not empty. Moves `sum` to before that bucket.
template <class Done>
std::size_t find_bucket(std::span<const double> buckets, double& sum, const Done& done) {
  std::size_t found = 0;
  double before = sum;
  for (std::size_t bucket = buckets.size() / kLanes; bucket-- > 0;) {
    const auto lanes = buckets.subspan(bucket * kLanes, kLanes);
    const double more = lanes[0] + lanes[1] + (lanes[2] + lanes[3]);
    if (more == 0) continue;
    found = bucket;
    before = sum;
    if (done(sum + more)) break;
    sum += more;
  }
  sum = before;
  return found;
}

}  // namespace

void Ranking::rank(std::span<const float> values, Measure measure) {
  values_ = values;
  measure_ = measure;
  buckets_.assign(kFirstBuckets * kLanes, 0);
  const auto add = [&](auto weight) {
    for (std::size_t i = 0; i < values.size(); ++i)
      buckets_[(key_of(values[i]) >> kFirstShift) * kLanes + i % kLanes] += weight(values[i]);
  };
  if (measure == Measure::value) {
    add([](float value) { return double{value}; });
  } else {
    add([](float) { return 1.0; });
  }
}

double Ranking::total() const { return std::accumulate(buckets_.begin(), buckets_.end(), 0.0); }

template <class Done>
Ranking::Place Ranking::find(const Done& done) const {
  double sum = 0;
  const std::size_t first = find_bucket(std::span(buckets_), sum, done);
  std::vector<Member> members;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const std::uint32_t key = key_of(values_[i]);
    if (key >> kFirstShift == first) members.push_back({key, static_cast<std::uint32_t>(i)});
  }
  const auto weight = [&](const Member& member) {
    return measure_ == Measure::value ? double{values_[member.index]} : 1.0;
  };
  constexpr std::size_t kFew = 32;
  for (const int shift : kShifts) {
    if (members.size() <= kFew) break;
    const auto bucket_of = [&](const Member& member) {
      return member.key >> shift & (kBuckets - 1);
    };
    std::array<double, kBuckets * kLanes> buckets{};
    for (std::size_t i = 0; i < members.size(); ++i)
      buckets[bucket_of(members[i]) * kLanes + i % kLanes] += weight(members[i]);
    const std::size_t found = find_bucket(buckets, sum, done);
    std::erase_if(members, [&](const Member& member) { return bucket_of(member) != found; });
  }
  // More than a few are equal now, and in order.
  if (members.size() <= kFew) {
    std::ranges::sort(members, [](const Member& a, const Member& b) {
      return a.key != b.key ? a.key > b.key : a.index < b.index;
    });
  }
  for (const Member& member : members) {
    sum += weight(member);
    if (done(sum)) return {member.index, sum};
  }
  return {members.back().index, sum};
}

Ranking::Place Ranking::reach(double sum) const {
  return find([sum](double reached) { return reached >= sum; });
}

Ranking::Place Ranking::pass(double sum) const {
  return find([sum](double reached) { return reached > sum; });
}

}  // namespace quern::llm
