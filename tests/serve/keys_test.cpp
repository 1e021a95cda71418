#include "serve/sql/keys.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "serve/fake_clock.h"
#include "serve/secret.h"
#include "serve/sql/schema.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

using namespace std::chrono_literals;

struct Store {
  TemporaryFolder folder;
  FakeClock clock;
  Database database = open_ledger(folder.path("usage.db"));

  std::optional<Caller> ask(const std::string& key) {
    return authenticate(database, key, clock.now());
  }
  IssuedKey create(const std::string& name, std::int64_t credit = 0) {
    return create_key(database, name, "pro", credit, clock.now());
  }
};

std::string hex(const Digest& digest) {
  std::string text;
  for (const std::byte byte : digest) text += fmt::format("{:02x}", std::to_integer<int>(byte));
  return text;
}

}  // namespace

TEST_CASE("a key has a public id and 32 random bytes, and no two are alike") {
  std::set<std::string> keys;
  std::set<std::string> ids;
  for (int i = 0; i < 200; ++i) {
    const std::string key = make_key();
    CHECK(key.size() == 3 + 10 + 1 + 52);
    CHECK(key.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567_") == std::string::npos);
    CHECK(id_of(key) == key.substr(0, 13));
    keys.insert(key);
    ids.insert(std::string(id_of(key)));
  }
  CHECK(keys.size() == 200);
  CHECK(ids.size() == 200);
}

TEST_CASE("what has not a key's form has no id") {
  const std::string key = make_key();
  for (const std::string& bad :
       {std::string(), std::string("qk_"), key.substr(1), key.substr(0, 65), key + "a",
        "sk" + key.substr(2), std::string(key).replace(13, 1, "-"),
        std::string(key).replace(5, 1, "A"), std::string(key).replace(40, 1, std::string(1, '\0')),
        std::string(100000, 'q')}) {
    CHECK(id_of(bad).empty());
  }
}

TEST_CASE("a key is hashed as SHA-256 of its salt and itself") {
  Salt salt;
  for (std::size_t i = 0; i < salt.size(); ++i) salt[i] = static_cast<std::byte>(i);
  // Python: hashlib.sha256(bytes(range(16)) + b"qk_aaaaaaaaaa_" + b"b" * 52)
  CHECK(hex(hash(salt, "qk_aaaaaaaaaa_" + std::string(52, 'b'))) ==
        "c48f6b3d8356826549cfb1b50fc39c31d14c3cc2df54e50379c26387ab0a53d7");
}

TEST_CASE("a key is known by the account that it was made for, and by no other text") {
  Store store;
  const IssuedKey acme = store.create("acme", 5'000'000);
  const IssuedKey other = store.create("other");
  const auto caller = store.ask(acme.key);
  REQUIRE(caller);
  CHECK(caller->key == acme.info.id);
  CHECK(caller->name == "acme");
  CHECK(caller->plan == "pro");
  CHECK(caller->credit == 5'000'000);
  CHECK(store.ask(other.key)->account != caller->account);

  std::string wrong = acme.key;
  wrong.back() = wrong.back() == 'a' ? 'b' : 'a';
  CHECK(!store.ask(wrong));
  CHECK(!store.ask(acme.info.id + other.key.substr(13)));
  CHECK(!store.ask(make_key()));
  CHECK(!store.ask("' OR 1=1 --"));
}

TEST_CASE("no file of the ledger holds a key, and only its owner may read it") {
  Store store;
  const IssuedKey issued = store.create("acme");
  const std::string secret = issued.key.substr(14);
  for (const char* name : {"usage.db", "usage.db-wal", "usage.db-shm"}) {
    struct stat info {};
    REQUIRE(stat(store.folder.path(name).c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    std::ifstream file(store.folder.path(name), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    CHECK(bytes.find(secret) == std::string::npos);
    if (std::string(name) == "usage.db-wal") CHECK(bytes.find(issued.info.id) != std::string::npos);
  }
}

TEST_CASE("equal keys of different salts have different hashes in the ledger") {
  const std::string key = make_key();
  CHECK(hash(make_salt(), key) != hash(make_salt(), key));
  CHECK(equal(hash(Salt{}, key), hash(Salt{}, key)));
  CHECK(!equal(hash(Salt{}, key), hash(Salt{}, make_key())));
}

TEST_CASE("keys are listed by account and age, with plan, state and credit") {
  Store store;
  store.create("zebra");
  const IssuedKey first = store.create("acme", 1'000'000);
  store.clock.advance(1h);
  rotate_key(store.database, "acme", 2h, store.clock.now());
  const auto keys = list_keys(store.database, store.clock.now());
  REQUIRE(keys.size() == 3);
  CHECK(keys[0].id == first.info.id);
  CHECK(keys[0].name == "acme");
  CHECK(keys[0].state == KeyState::expiring);
  CHECK(keys[0].expires == std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + 15h);
  CHECK(keys[0].credit == 1'000'000);
  CHECK(!keys[0].last_used);
  CHECK(keys[1].state == KeyState::active);
  CHECK(keys[1].created == std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + 13h);
  CHECK(keys[2].name == "zebra");
  store.clock.advance(2h);
  CHECK(list_keys(store.database, store.clock.now()).at(0).state == KeyState::expired);
}

TEST_CASE("a revoked key works no more, also for a process that has the ledger open") {
  Store store;
  const IssuedKey acme = store.create("acme");
  const IssuedKey other = store.create("other");
  Database server = open_ledger(store.folder.path("usage.db"));
  CHECK(authenticate(server, acme.key, store.clock.now()));
  revoke_keys(store.database, acme.info.id, store.clock.now());
  CHECK(!authenticate(server, acme.key, store.clock.now()));
  CHECK(authenticate(server, other.key, store.clock.now()));
  CHECK(list_keys(server, store.clock.now()).at(0).state == KeyState::revoked);
}

TEST_CASE("an account's name revokes all its keys, and a whole key is taken for its id") {
  Store store;
  const IssuedKey first = store.create("acme");
  const IssuedKey second = rotate_key(store.database, first.key, 24h, store.clock.now());
  CHECK(store.ask(first.key));
  CHECK(store.ask(second.key));
  revoke_keys(store.database, "acme", store.clock.now());
  CHECK(!store.ask(first.key));
  CHECK(!store.ask(second.key));
}

TEST_CASE("a rotated key keeps its account, and the old one works until the grace ends") {
  Store store;
  const IssuedKey old = store.create("acme", 7);
  const IssuedKey fresh = rotate_key(store.database, old.info.id, 10min, store.clock.now());
  CHECK(fresh.key != old.key);
  CHECK(store.ask(fresh.key)->account == store.ask(old.key)->account);
  CHECK(store.ask(fresh.key)->credit == 7);
  store.clock.advance(10min - 1ms);
  CHECK(store.ask(old.key));
  store.clock.advance(1ms);
  CHECK(!store.ask(old.key));
  CHECK(store.ask(fresh.key));
}

TEST_CASE("a second rotation never lengthens a grace") {
  Store store;
  const IssuedKey first = store.create("acme");
  rotate_key(store.database, "acme", 1min, store.clock.now());
  rotate_key(store.database, "acme", 10h, store.clock.now());
  store.clock.advance(1min);
  CHECK(!store.ask(first.key));
}

TEST_CASE("a rotation without grace ends the old key at once, and what is revoked is not rotated") {
  Store store;
  const IssuedKey old = store.create("acme");
  const IssuedKey fresh = rotate_key(store.database, "acme", 0s, store.clock.now());
  CHECK(!store.ask(old.key));
  CHECK(code_of([&] { rotate_key(store.database, old.info.id, 0s, store.clock.now()); }) ==
        ErrorCode::not_found);
  revoke_keys(store.database, fresh.info.id, store.clock.now());
  CHECK(code_of([&] { rotate_key(store.database, "acme", 0s, store.clock.now()); }) ==
        ErrorCode::not_found);
  CHECK(code_of([&] { rotate_key(store.database, "acme", -1s, store.clock.now()); }) ==
        ErrorCode::invalid_argument);
}

TEST_CASE("names of accounts are checked, and taken once") {
  Store store;
  store.create("acme");
  store.create("Zoë's 店");
  for (const std::string& bad :
       {std::string("acme"), std::string(), std::string(65, 'x'), std::string("a\nb"),
        std::string("qk_x"), std::string("\xff"), std::string("\xc0\x80"),
        std::string("\xed\xa0\x80"), std::string("caf\xc3")}) {
    CAPTURE(bad);
    CHECK(code_of([&] { store.create(bad); }) == ErrorCode::invalid_argument);
  }
  CHECK(list_keys(store.database, store.clock.now()).size() == 2);
}

TEST_CASE("an unknown key or account is not found, and a secret is not repeated") {
  Store store;
  const std::string key = make_key();
  CHECK(code_of([&] { revoke_keys(store.database, "nobody", store.clock.now()); }) ==
        ErrorCode::not_found);
  try {
    revoke_keys(store.database, key, store.clock.now());
    FAIL("found a key that was never stored");
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.find(id_of(key)) != std::string::npos);
    CHECK(message.find(key.substr(14)) == std::string::npos);
  }
}

}  // namespace quern::serve
