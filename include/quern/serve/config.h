#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "quern/export.h"

namespace quern::serve {

/// What a plan asks for, in micro-units of the configuration's currency: 150'000 per million
/// tokens is 0.15. Money is never a floating-point number here.
struct Prices {
  std::int64_t input_per_million = 0;   ///< for a million tokens of prompts
  std::int64_t output_per_million = 0;  ///< for a million tokens of answers
  std::int64_t per_thousand_calls = 0;  ///< for a thousand requests
  bool operator==(const Prices&) const = default;
};

/// How a plan is paid.
enum class Billing {
  free,           ///< not at all: it has no prices, and is bounded by its quota
  prepaid,        ///< from credit; at its end requests get 402
  pay_as_you_go,  ///< by the month's invoice
};
QUERN_API std::string_view to_string(Billing billing) noexcept;

/// What the keys of an account may do, and what it costs. A limit of 0 is none.
struct Plan {
  Billing billing = Billing::free;
  Prices prices = {};                               ///< for models that `model_prices` lacks
  std::map<std::string, Prices> model_prices = {};  ///< by name of a model
  std::int64_t monthly_requests = 0;                ///< months are those of UTC
  std::int64_t monthly_tokens = 0;                  ///< of prompts and answers together
  std::int64_t requests_per_minute = 0;
  std::int64_t tokens_per_minute = 0;
  std::vector<std::string> models = {};  ///< the names it may use; empty: all
  int priority = 0;  ///< of its requests in the queue, -100 to 100: higher first
};

/// A model to serve: a `.gguf` file, a Hugging Face folder or an `.onnx` file.
struct ModelConfig {
  std::string name = {};  ///< as requests call it
  std::string path = {};
  bool exact = false;               ///< f32 activations: slower, closest to the reference
  std::int64_t context_length = 0;  ///< tokens of one conversation; 0: the model's
  /// Tokens of keys and values held, of running requests and of kept prompts together: memory grows
  /// to this before it is used again. 0: `max_batch` full contexts, or as many as fit 2 GiB
  /// where that is less. One full context in any case.
  std::int64_t kv_tokens = 0;
  std::int64_t max_batch = 64;    ///< requests computed together at most
  std::int64_t max_delay_ms = 2;  ///< an ONNX request waits this long at most for others
  /// Of an ONNX model that is not proved to keep the rows of its inputs apart, that it does: else
  /// each request is run alone. Where it is not true, callers get one another's data.
  bool rows_are_independent = false;
};

/// Certificate and key in PEM files; both empty: plain HTTP.
struct TlsConfig {
  std::string certificate = {};
  std::string private_key = {};
};

/// Bounds on what one client can make the server hold.
struct RequestLimits {
  std::int64_t max_body_bytes = 8 << 20;
  /// Of all bodies that are held at once, where one of the largest fits in any case: what comes
  /// beyond gets 503. A body is held until it is read, not until it is answered.
  std::int64_t max_bodies_bytes = 256 << 20;
  std::int64_t max_header_bytes = 16 << 10;
  std::int64_t max_connections = 1024;
  std::int64_t max_queue = 256;            ///< requests that wait for a slot
  std::int64_t max_tokens = 4096;          ///< of one answer
  std::int64_t max_request_seconds = 600;  ///< from its first byte to its answer's last
  std::int64_t idle_seconds = 60;          ///< a silent connection is closed
};

/// All of a service. The process that serves must not open the ledger's file by other means, not
/// even to copy it: POSIX ends all locks that a process has on a file when it closes any descriptor
/// of it. Other processes may. Where `plans` is empty, no key is asked for, nothing is limited or
/// billed, and the server binds loopback addresses only.
struct Config {
  std::string host = "127.0.0.1";
  int port = 8080;          ///< 0: any that is free
  int threads = 0;          ///< of an operation, in the whole process; 0: as RuntimeOptions say
  std::string ledger = {};  ///< the SQLite file of keys and usage; empty: usage is kept in memory
  std::string currency = "EUR";  ///< three letters (ISO 4217)
  std::vector<ModelConfig> models = {};
  std::map<std::string, Plan> plans = {};
  RequestLimits limits = {};
  TlsConfig tls = {};
  std::vector<std::string> cors_origins = {};  ///< of pages that may ask; "*": all; empty: none

  /// Reads a configuration: one JSON object with the members above, in the same nesting; enums are
  /// strings, times are in the units that their names end with, `plans` and `model_prices` are
  /// objects by name. All members may be absent but a model's `name` and `path`. Relative paths in
  /// it are relative to its own folder.
  /// Throws: `not_found`, or `invalid_argument` with the path of the member for what is not JSON,
  /// for members that are not known (the message lists those that are), of a wrong type or out of
  /// range, and for what does not fit together (a free plan with prices, plans without a ledger, a
  /// certificate without its key).
  QUERN_API static Config load(const std::string& path);

  /// Reads the same from text; `name` stands for the file in messages, relative paths stay so.
  QUERN_API static Config parse(std::string_view json, std::string_view name);
};

/// Checks a configuration made in code by the same rules. Throws: as Config::load.
QUERN_API void check(const Config& config);

/// An amount for people: "12.50", "0.000042"; as many of the 6 decimals as it has, 2 at least.
QUERN_API std::string format_amount(std::int64_t micros);

/// Reads such an amount: up to 6 decimals, no sign, no exponent. Throws: `invalid_argument`.
QUERN_API std::int64_t parse_amount(std::string_view text);

}  // namespace quern::serve
