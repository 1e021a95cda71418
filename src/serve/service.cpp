#include "serve/service.h"

namespace quern::serve {
namespace {

const std::vector<double> kLatencyBounds{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60};
const std::vector<double> kTokenBounds{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1};

void declare_all(Metrics& metrics) {
  using enum MetricType;
  metrics.declare("quern_requests_total", counter, "Requests answered.");
  metrics.declare("quern_request_seconds", histogram,
                  "From a request's head to the end of its answer.", kLatencyBounds);
  metrics.declare("quern_prompt_tokens_total", counter, "Tokens of prompts.");
  metrics.declare("quern_completion_tokens_total", counter, "Tokens generated.");
  metrics.declare("quern_cached_tokens_total", counter,
                  "Tokens of prompts that were computed before.");
  metrics.declare("quern_cancelled_total", counter, "Generations whose client left.");
  metrics.declare("quern_time_to_first_token_seconds", histogram,
                  "From a request's head to its first token.", kLatencyBounds);
  metrics.declare("quern_time_per_token_seconds", histogram,
                  "Time for a token after the first, a mean by request.", kTokenBounds);
  metrics.declare("quern_queued_requests", gauge, "Generations that wait for a slot.");
  metrics.declare("quern_running_requests", gauge, "Generations that run.");
  metrics.declare("quern_batch_size", gauge, "Requests that the last step served.");
  metrics.declare("quern_kv_pages_used", gauge, "Pages of keys and values in use.");
  metrics.declare("quern_kv_pages_total", gauge, "Pages of keys and values there are.");
  metrics.declare("quern_onnx_runs", gauge,
                  "Runs of a graph; requests that were run together are one.");
  metrics.declare("quern_resident_memory_bytes", gauge, "Memory of the process.");
  metrics.declare("quern_connections", gauge, "Clients connected.");
  metrics.declare("quern_body_bytes", gauge, "Bytes of requests' bodies that are held.");
}

}  // namespace

Service::Service(const Config& its_config) : config(its_config), meter(its_config) {
  declare_all(metrics);
}

}  // namespace quern::serve
