#include "kernels/bytes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/each_target.h"

namespace quern::kernels {
namespace {

constexpr std::int64_t kSizes[] = {1, 3, 7, 13, 64, 127, 128, 129};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Bytes in some order, as they are stored.
std::vector<std::uint8_t> some_bytes(std::int64_t count, int step) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
  int at = 0;
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(at += step);
  return bytes;
}

float value_of(std::uint8_t byte, bool is_signed) {
  return is_signed ? static_cast<float>(static_cast<std::int8_t>(byte)) : static_cast<float>(byte);
}

/// round(value) + zero as a byte, NaN as the lowest.
std::uint8_t byte_of(float value, float zero, bool is_signed) {
  const float low = (is_signed ? -128.f : 0.f) - zero;
  const float bounded = std::isnan(value) ? low : std::clamp(value, low, low + 255.f);
  return static_cast<std::uint8_t>(static_cast<int>(std::nearbyint(bounded) + zero));
}

TEST_CASE("floats become bytes as rounding to even, cutting off and NaN ask") {
  for (const bool is_signed : {false, true}) {
    for (const std::int64_t count : kSizes) {
      std::vector<float> src(static_cast<std::size_t>(count));
      for (std::size_t i = 0; i < src.size(); ++i) src[i] = 0.25f * (static_cast<float>(i) - 40.f);
      src[src.size() / 2] = kNan;
      src[src.size() - 1] = kInfinity;
      src[0] = count > 3 ? -kInfinity : 1e30f;
      std::vector<std::uint8_t> want;
      for (const float x : src) want.push_back(byte_of(x / 0.5f, 7.f, is_signed));
      on_each_target([&] {
        std::vector<std::uint8_t> got(src.size());
        quantize_bytes(src.data(), count, 0.5f, 7.f, {got.data(), is_signed});
        CHECK(got == want);
      });
    }
  }
}

TEST_CASE("bytes become floats") {
  for (const bool is_signed : {false, true}) {
    for (const std::int64_t count : kSizes) {
      const auto src = some_bytes(count, 37);
      std::vector<float> want;
      for (const auto byte : src) want.push_back((value_of(byte, is_signed) - 9.f) * 0.3f);
      on_each_target([&] {
        std::vector<float> got(src.size());
        dequantize_bytes({src.data(), is_signed}, count, 0.3f, 9.f, got.data());
        CHECK(got == want);
      });
    }
  }
}

TEST_CASE("bytes of one scale become bytes of another as by way of floats") {
  for (const bool from_signed : {false, true}) {
    for (const bool to_signed : {false, true}) {
      for (const std::int64_t count : kSizes) {
        const auto src = some_bytes(count, 37);
        std::vector<std::uint8_t> want;
        for (const auto byte : src)
          want.push_back(
              byte_of((value_of(byte, from_signed) - 9.f) * 0.3f / 0.2f, 5.f, to_signed));
        on_each_target([&] {
          std::vector<std::uint8_t> got(src.size());
          rescale_bytes({src.data(), from_signed}, count, 0.3f, 9.f, 0.2f, 5.f,
                        {got.data(), to_signed});
          CHECK(got == want);
        });
      }
    }
  }
}

TEST_CASE("rows of bytes are rescaled each for itself, and nothing between them is touched") {
  for (const std::int64_t size : kSizes) {
    const ByteRows shape{3, size, size + 5, size + 2};
    const auto src = some_bytes(shape.rows * shape.src_pitch, 37);
    std::vector<std::uint8_t> want(static_cast<std::size_t>(shape.rows * shape.dst_pitch), 77);
    for (std::int64_t row = 0; row < shape.rows; ++row) {
      for (std::int64_t i = 0; i < size; ++i) {
        const auto byte = src[static_cast<std::size_t>(row * shape.src_pitch + i)];
        want[static_cast<std::size_t>(row * shape.dst_pitch + i)] =
            byte_of((value_of(byte, true) - 9.f) * 0.3f / 0.2f, 5.f, false);
      }
    }
    on_each_target([&] {
      std::vector<std::uint8_t> got(want.size(), 77);
      rescale_byte_rows(shape, {src.data(), true}, 0.3f, 9.f, 0.2f, 5.f, {got.data(), false});
      CHECK(got == want);
    });
  }
}

TEST_CASE("sums and products of bytes are rounded once") {
  for (const bool a_signed : {false, true}) {
    for (const bool b_signed : {false, true}) {
      for (const bool to_signed : {false, true}) {
        for (const std::int64_t count : kSizes) {
          const auto a = some_bytes(count, 37);
          const auto b = some_bytes(count, 91);
          std::vector<std::uint8_t> sums,
              products;  // factors of powers of two: exact however summed
          for (std::size_t i = 0; i < a.size(); ++i) {
            const float p = value_of(a[i], a_signed);
            const float q = value_of(b[i], b_signed);
            sums.push_back(byte_of(p * 0.5f + q * 0.25f + 3.f, 0.f, to_signed));
            products.push_back(byte_of((p - 3.f) * (q - 5.f) * 0.0625f + 4.f, 0.f, to_signed));
          }
          on_each_target([&] {
            std::vector<std::uint8_t> got(a.size());
            add_bytes({a.data(), a_signed}, 0.5f, {b.data(), b_signed}, 0.25f, 3.f, count,
                      {got.data(), to_signed});
            CHECK(got == sums);
            multiply_bytes({a.data(), a_signed}, 3.f, {b.data(), b_signed}, 5.f, 0.0625f, 4.f,
                           count, {got.data(), to_signed});
            CHECK(got == products);
          });
        }
      }
    }
  }
}

}  // namespace
}  // namespace quern::kernels
