#pragma once

#include <array>
#include <cstdint>

namespace quern {

/// The points of the lattices that GGUF's iq1, iq2 and iq3 encodings store indices of: fields of
/// two bits for eight values, of three for four (iq3), the lowest for the first value. What a field
/// stands for is the encoding's own.
extern const std::array<std::uint16_t, 2048> kIq1Grid;
extern const std::array<std::uint16_t, 256> kIq2XxsGrid;
extern const std::array<std::uint16_t, 512> kIq2XsGrid;
extern const std::array<std::uint16_t, 1024> kIq2SGrid;
extern const std::array<std::uint16_t, 256> kIq3XxsGrid;
extern const std::array<std::uint16_t, 512> kIq3SGrid;

/// Decoders of one block of 256 values each.
void decode_iq1_s(const std::uint8_t* block, float* values);
void decode_iq1_m(const std::uint8_t* block, float* values);
void decode_iq2_xxs(const std::uint8_t* block, float* values);
void decode_iq2_xs(const std::uint8_t* block, float* values);
void decode_iq2_s(const std::uint8_t* block, float* values);
void decode_iq3_xxs(const std::uint8_t* block, float* values);
void decode_iq3_s(const std::uint8_t* block, float* values);

}  // namespace quern
