#include "serve/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <bit>

#include "serve/error.h"

namespace quern::serve {
namespace {

constexpr std::string_view kPrefix = "qk_";
constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t kIdCharacters = 10;
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kBitsPerCharacter = 5;
constexpr std::size_t kSecretCharacters =
    (kSecretBytes * 8 + kBitsPerCharacter - 1) / kBitsPerCharacter;
constexpr std::size_t kIdSize = kPrefix.size() + kIdCharacters;

void fill_with_random(std::span<unsigned char> bytes) {
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    fail(ErrorCode::internal, "keys: the system's random generator failed");
  }
}

std::string base32(std::span<const unsigned char> bytes) {
  std::string text;
  unsigned waiting = 0;
  std::size_t bits = 0;
  for (const unsigned char byte : bytes) {
    waiting = waiting << 8 | byte;
    for (bits += 8; bits >= kBitsPerCharacter; bits -= kBitsPerCharacter) {
      text += kAlphabet[waiting >> (bits - kBitsPerCharacter) & 31];
    }
  }
  if (bits > 0) text += kAlphabet[waiting << (kBitsPerCharacter - bits) & 31];
  return text;
}

template <std::size_t kBytes>
std::string random_text() {
  std::array<unsigned char, kBytes> bytes;
  fill_with_random(bytes);
  std::string text = base32(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return text;
}

}  // namespace

std::string make_key() {
  const std::string id = random_text<kIdCharacters>().substr(0, kIdCharacters);
  return std::string(kPrefix) + id + "_" + random_text<kSecretBytes>();
}

std::string_view id_of(std::string_view key) noexcept {
  const bool formed =
      key.size() == kIdSize + 1 + kSecretCharacters && key.starts_with(kPrefix) &&
      key[kIdSize] == '_' &&
      key.substr(kPrefix.size(), kIdCharacters).find_first_not_of(kAlphabet) ==
          std::string_view::npos &&
      key.substr(kIdSize + 1).find_first_not_of(kAlphabet) == std::string_view::npos;
  return formed ? key.substr(0, kIdSize) : std::string_view();
}

Salt make_salt() {
  std::array<unsigned char, sizeof(Salt)> bytes;
  fill_with_random(bytes);
  return std::bit_cast<Salt>(bytes);
}

Digest hash(const Salt& salt, std::string_view key) {
  std::string salted(reinterpret_cast<const char*>(salt.data()), salt.size());
  salted += key;
  std::array<unsigned char, sizeof(Digest)> digest;
  const int done =
      EVP_Digest(salted.data(), salted.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_cleanse(salted.data(), salted.size());
  if (done != 1) fail(ErrorCode::internal, "keys: SHA-256 failed");
  return std::bit_cast<Digest>(digest);
}

bool equal(std::span<const std::byte> a, std::span<const std::byte> b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace quern::serve
