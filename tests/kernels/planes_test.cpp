#include "kernels/planes.h"

#include <doctest/doctest.h>

#include <vector>

#include "kernels/each_target.h"

namespace quern::kernels {
namespace {

template <class T>
void check_interleaving() {
  for (const std::int64_t places : {1, 3, 15, 16, 33, 64, 129, 40001}) {
    for (const int planes : {2, 3, 4}) {
      CAPTURE(places);
      CAPTURE(planes);
      std::vector<T> src(static_cast<std::size_t>(places * planes));
      for (std::size_t i = 0; i < src.size(); ++i) src[i] = static_cast<T>(i * 7 % 251);
      std::vector<T> want(src.size());
      for (std::size_t i = 0; i < src.size(); ++i) {
        const std::size_t plane = i / static_cast<std::size_t>(places);
        const std::size_t place = i % static_cast<std::size_t>(places);
        want[place * static_cast<std::size_t>(planes) + plane] = src[i];
      }
      on_each_target([&] {
        std::vector<T> got(src.size());
        interleave_planes(src.data(), planes, places, sizeof(T), got.data());
        CHECK(got == want);
      });
    }
  }
}

TEST_CASE("planes of every element size are woven into pixels") {
  check_interleaving<std::uint8_t>();
  check_interleaving<std::uint16_t>();
  check_interleaving<float>();
}

}  // namespace
}  // namespace quern::kernels
