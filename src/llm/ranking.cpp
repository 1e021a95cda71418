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
constexpr std::size_t kBlock = 16;       // values that are passed over at once
constexpr std::uint16_t kNone = 0xffff;  // no bucket's number

/// Ordered as the values are.
std::uint32_t key_of(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value + 0.f);  // -0.f equals 0.f
  const auto negative = static_cast<std::uint32_t>(static_cast<std::int32_t>(bits) >> 31);
  return bits ^ (negative | 0x80000000u);
}

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
  places_.assign((values.size() + kBlock - 1) / kBlock * kBlock, kNone);
  for (std::size_t i = 0; i < values.size(); ++i)
    places_[i] = static_cast<std::uint16_t>(key_of(values[i]) >> kFirstShift);
  buckets_.assign(kFirstBuckets * kLanes, 0);
  const auto add = [&](auto weight) {
    for (std::size_t i = 0; i < values.size(); ++i)
      buckets_[places_[i] * kLanes + i % kLanes] += weight(values[i]);
  };
  if (measure == Measure::value) {
    add([](float value) { return double{value}; });
  } else {
    add([](float) { return 1.0; });
  }
}

/// Those in one bucket, in the order of their indices.
std::span<Ranking::Member> Ranking::members_of(std::size_t bucket) {
  const auto wanted = static_cast<std::uint16_t>(bucket);
  members_.resize(places_.size());
  std::size_t count = 0;
  for (std::size_t begin = 0; begin < places_.size(); begin += kBlock) {
    const auto block = std::span(places_).subspan(begin).first<kBlock>();
    std::uint16_t any = 0;
    for (const std::uint16_t place : block)
      any |= static_cast<std::uint16_t>(place == wanted ? 1 : 0);
    if (any == 0) continue;
    for (std::size_t i = 0; i < kBlock; ++i) {  // without a branch that is hard to foresee
      members_[count].index = static_cast<std::uint32_t>(begin + i);
      count += block[i] == wanted ? 1 : 0;
    }
  }
  const auto members = std::span(members_).first(count);
  for (Member& member : members) member.key = key_of(values_[member.index]);
  return members;
}

double Ranking::total() const { return std::accumulate(buckets_.begin(), buckets_.end(), 0.0); }

template <class Done>
Ranking::Place Ranking::find(const Done& done) {
  double sum = 0;
  const std::size_t first = find_bucket(std::span(buckets_), sum, done);
  std::span<Member> members = members_of(first);
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
    const auto others = std::remove_if(members.begin(), members.end(), [&](const Member& member) {
      return bucket_of(member) != found;
    });
    members = members.first(static_cast<std::size_t>(others - members.begin()));
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

Ranking::Place Ranking::reach(double sum) {
  return find([sum](double reached) { return reached >= sum; });
}

Ranking::Place Ranking::pass(double sum) {
  return find([sum](double reached) { return reached > sum; });
}

}  // namespace quern::llm
