#include "serve/http/tls.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "quern/error.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

const std::string kTlsCertificate = "tests/data/serve/certificate.pem";
const std::string kTlsKey = "tests/data/serve/private_key.pem";

std::string tls_refusal(const std::string& certificate, const std::string& key) {
  try {
    const TlsContext context(certificate, key);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_argument);
    return error.what();
  }
  return "";
}

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(FILE* file) const { fclose(file); }
};

/// A key of its own, in a file, by a passphrase where one is given.
void write_key(const std::string& path, const char* passphrase) {
  const std::unique_ptr<EVP_PKEY, FreeKey> key(EVP_EC_gen("P-256"));
  REQUIRE(key != nullptr);
  const std::unique_ptr<FILE, FreeKey> file(fopen(path.c_str(), "w"));
  REQUIRE(file != nullptr);
  auto* secret = reinterpret_cast<unsigned char*>(const_cast<char*>(passphrase));
  const int size = passphrase == nullptr ? 0 : static_cast<int>(std::string(passphrase).size());
  const EVP_CIPHER* cipher = passphrase == nullptr ? nullptr : EVP_aes_256_cbc();
  REQUIRE(PEM_write_PrivateKey(file.get(), key.get(), cipher, secret, size, nullptr, nullptr) == 1);
}

}  // namespace

TEST_CASE("what is wrong with a certificate or a key is said") {
  const TemporaryFolder folder;
  CHECK(tls_refusal(kTlsCertificate, kTlsKey).empty());
  CHECK(tls_refusal("/none.pem", kTlsKey).find("No such file") != std::string::npos);
  CHECK(tls_refusal(kTlsCertificate, "/none.pem").find("No such file") != std::string::npos);
  const std::string text = folder.write("text.pem", "no PEM");
  for (const std::string& message :
       {tls_refusal(text, kTlsKey), tls_refusal(kTlsCertificate, text)}) {
    CAPTURE(message);
    CHECK(message.find(text) != std::string::npos);
    CHECK(message.find("error:00000000") == std::string::npos);
    CHECK(message.find("reason(0)") == std::string::npos);
  }
  write_key(folder.path("other.pem"), nullptr);
  CHECK(tls_refusal(kTlsCertificate, folder.path("other.pem")).find("mismatch") !=
        std::string::npos);
}

TEST_CASE("an encrypted key is refused, and nobody is asked for its passphrase") {
  const TemporaryFolder folder;
  write_key(folder.path("secret.pem"), "secret");
  CHECK(tls_refusal(kTlsCertificate, folder.path("secret.pem")).find("is encrypted") !=
        std::string::npos);
}

}  // namespace quern::serve
