#include "serve/sql/requests.h"

#include "serve/sql/keys.h"

namespace quern::serve {

bool Requests::apply(const LedgerChange& change) {
  switch (change.kind) {
    case LedgerChange::Kind::open:
      return open(change.entry);
    case LedgerChange::Kind::deliver:
      return deliver(change.entry);
    case LedgerChange::Kind::record:
      return record(change.entry);
    case LedgerChange::Kind::settle:
      return settle(change.entry);
    case LedgerChange::Kind::probe:
      return probe();
  }
  return false;
}

void Requests::forget_old(std::int64_t most) {
  database_.run(
      "DELETE FROM requests WHERE finished < "
      "(SELECT finished FROM requests ORDER BY finished DESC LIMIT 1 OFFSET ?)",
      {most});
}

bool Requests::open(const LedgerEntry& request) {
  return database_.run(
             "INSERT INTO open_requests (id, key, account, model, prompt_tokens, "
             "  completion_tokens, price, admitted, covered) "
             "VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?7) ON CONFLICT DO NOTHING",
             {request.id, request.key, request.account, request.model, request.prompt_tokens,
              price_id(request.prices), to_unix_ms(request.finished)}) == 1;
}

bool Requests::deliver(const LedgerEntry& entry) {
  return database_.run("UPDATE open_requests SET completion_tokens = ?, covered = ? WHERE id = ?",
                       {entry.completion_tokens, to_unix_ms(entry.finished), entry.id}) == 1;
}

bool Requests::record(const LedgerEntry& entry) {
  database_.run("DELETE FROM open_requests WHERE id = ?", {entry.id});
  return database_.run(
             "INSERT INTO requests (id, key, account, model, prompt_tokens, completion_tokens, "
             "  latency_us, finish_reason, price, finished) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
             "?) "
             "ON CONFLICT DO NOTHING",
             {entry.id, entry.key, entry.account, entry.model, entry.prompt_tokens,
              entry.completion_tokens, std::int64_t{entry.latency.count()}, entry.finish_reason,
              price_id(entry.prices), to_unix_ms(entry.finished)}) == 1;
}

bool Requests::settle(const LedgerEntry& entry) {
  database_.run(
      "UPDATE open_requests SET completion_tokens = ? WHERE id = ? AND completion_tokens > 0",
      {entry.completion_tokens, entry.id});
  database_.run(
      "INSERT INTO requests (id, key, account, model, prompt_tokens, completion_tokens, "
      "  latency_us, finish_reason, price, finished) "
      "SELECT id, key, account, model, prompt_tokens, completion_tokens, "
      "  max(0, covered - admitted) * 1000, 'interrupted', price, covered "
      "FROM open_requests WHERE completion_tokens > 0 AND ? IN ('', id) ON CONFLICT DO NOTHING",
      {entry.id});
  return database_.run("DELETE FROM open_requests WHERE ? IN ('', id)", {entry.id}) > 0;
}

bool Requests::probe() {
  database_.run("INSERT INTO open_requests VALUES ('', '', 0, '', 0, 0, 0, 0, 0)");
  return database_.run("DELETE FROM open_requests WHERE id = ''") == 1;
}

std::int64_t Requests::price_id(const Prices& prices) {
  const std::initializer_list<Parameter> values = {
      currency_, prices.input_per_million, prices.output_per_million, prices.per_thousand_calls};
  database_.run(
      "INSERT INTO prices (currency, input_per_million, output_per_million, per_thousand_calls) "
      "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
      values);
  return database_.value(
      "SELECT id FROM prices WHERE currency = ? AND input_per_million = ? "
      "AND output_per_million = ? AND per_thousand_calls = ?",
      values);
}

}  // namespace quern::serve
