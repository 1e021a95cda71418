#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace quern::serve {

using Salt = std::array<std::byte, 16>;
using Digest = std::array<std::byte, 32>;

/// The parts of a key's text, "qk_" + 10 characters + "_" + 52 characters, all of base32 (a-z,
/// 2-7). The first 13 characters are its public id; the rest is 32 random bytes.

/// A new key from the system's generator. Throws: `internal` where that fails.
std::string make_key();

/// The id of a key; empty where the text has not a key's form.
std::string_view id_of(std::string_view key) noexcept;

/// Throws: as make_key.
Salt make_salt();

/// SHA-256 of salt and key. A fast hash is right here: a key has 256 random bits, which no number
/// of guesses finds; a slow one, made for passwords, would only let strangers keep the CPU busy.
Digest hash(const Salt& salt, std::string_view key);

/// Whether digests are equal, in a time that does not tell where they differ.
bool equal(std::span<const std::byte> a, std::span<const std::byte> b) noexcept;

}  // namespace quern::serve
