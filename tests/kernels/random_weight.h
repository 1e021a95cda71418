#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <span>
#include <vector>

#include "core/block_format.h"
#include "kernels/weight_rows.h"

namespace quern {

/// Bytes that end where a page that may not be touched begins, as a mapped file can.
class GuardedBytes {
 public:
  explicit GuardedBytes(std::size_t size)
      : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))),
        mapped_((size + page_ - 1) / page_ * page_ + page_) {
    memory_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    mprotect(static_cast<std::byte*>(memory_) + mapped_ - page_, page_, PROT_NONE);
    bytes_ = {static_cast<std::byte*>(memory_) + mapped_ - page_ - size, size};
  }
  ~GuardedBytes() { munmap(memory_, mapped_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::size_t page_;
  std::size_t mapped_;
  void* memory_;
  std::span<std::byte> bytes_;
};

/// A weight of random codes under moderate scales.
class RandomWeight {
 public:
  RandomWeight(Encoding encoding, DType dtype, std::int64_t n, std::int64_t k, unsigned seed)
      : rows_{encoding, dtype, nullptr, n, k},
        memory_(static_cast<std::size_t>(n * kernels::row_bytes(rows_))) {
    rows_.data = memory_.bytes().data();
    std::mt19937 random(seed);
    if (encoding == Encoding::dense) {
      fill_dense(random);
    } else {
      fill_blocks(random);
    }
  }

  const kernels::WeightRows& rows() const { return rows_; }

  /// All values, by the portable decoder.
  std::vector<float> values() const {
    std::vector<float> values(static_cast<std::size_t>(rows_.n * rows_.k));
    if (rows_.encoding != Encoding::dense) {
      decode_blocks(rows_.encoding, rows_.data, values.data(), rows_.n * rows_.k);
      return values;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (rows_.dtype == DType::f32) values[i] = element<float>(i);
      if (rows_.dtype == DType::f16) values[i] = element<Float16>(i);
      if (rows_.dtype == DType::bf16) values[i] = element<BFloat16>(i);
    }
    return values;
  }

 private:
  template <class T>
  T element(std::size_t i) const {
    T value;
    std::memcpy(&value, rows_.data + i * sizeof value, sizeof value);
    return value;
  }

  template <class T>
  static void put(std::byte* at, T value) {
    std::memcpy(at, &value, sizeof value);
  }

  void fill_dense(std::mt19937& random) {
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < rows_.n * rows_.k; ++i) {
      std::byte* at = memory_.bytes().data() + i * static_cast<std::int64_t>(size_of(rows_.dtype));
      const float value = normal(random);
      if (rows_.dtype == DType::f32) put(at, value);
      if (rows_.dtype == DType::f16) put(at, Float16(value));
      if (rows_.dtype == DType::bf16) put(at, BFloat16(value));
    }
  }

  void fill_blocks(std::mt19937& random) {
    for (std::byte& byte : memory_.bytes()) byte = static_cast<std::byte>(random());
    const BlockFormat block = block_format(rows_.encoding);
    std::uniform_real_distribution<float> scale(-0.02f, 0.03f);
    for (std::size_t at = 0; at < memory_.bytes().size();
         at += static_cast<std::size_t>(block.bytes)) {
      std::byte* bytes = memory_.bytes().data() + at;
      if (rows_.encoding == Encoding::mxfp4) bytes[0] = static_cast<std::byte>(118 + random() % 9);
      if (rows_.encoding == Encoding::nvfp4) {
        for (int i = 0; i < 4; ++i) bytes[i] = static_cast<std::byte>(random() % 32);
      }
      if (rows_.encoding == Encoding::iq1_m) put_spread(bytes + 48, Float16(scale(random)));
      if (rows_.encoding == Encoding::q8_k || rows_.encoding == Encoding::q8_f32)
        put(bytes, scale(random));
      if (rows_.encoding == Encoding::q4_f32) {
        // Its products with codes are exact, so that a fused sum is no other one.
        put(bytes, static_cast<float>(Float16(scale(random))));
        put(bytes + 4, scale(random));
      }
      for (const int offset : f16_fields()) put(bytes + offset, Float16(scale(random)));
    }
  }

  /// Four bits of `value` at the top of each of four words.
  static void put_spread(std::byte* words, Float16 value) {
    for (int i = 0; i < 4; ++i) {
      std::byte& top = words[2 * i + 1];
      top = (top & std::byte{15}) | static_cast<std::byte>((value.bits >> (4 * i) & 15) << 4);
    }
  }

  std::vector<int> f16_fields() const {
    switch (rows_.encoding) {
      case Encoding::q4_1:
      case Encoding::q5_1:
      case Encoding::q4_k:
      case Encoding::q5_k:
        return {0, 2};
      case Encoding::q2_k:
        return {80, 82};
      case Encoding::q3_k:
        return {108};
      case Encoding::q6_k:
        return {208};
      case Encoding::tq1_0:
        return {52};
      case Encoding::tq2_0:
        return {64};
      case Encoding::mxfp4:
      case Encoding::nvfp4:
      case Encoding::q8_k:
      case Encoding::iq1_m:
      case Encoding::q4_f32:
      case Encoding::q8_f32:
        return {};
      default:
        return {0};
    }
  }

  kernels::WeightRows rows_;
  GuardedBytes memory_;
};

}  // namespace quern
