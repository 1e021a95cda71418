#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "quern/serve/config.h"
#include "serve/http/message.h"
#include "serve/meter.h"
#include "serve/metrics.h"
#include "serve/models.h"

namespace quern::serve {

/// What all routes share. Safe to use from several threads at once.
struct Service {
  explicit Service(const Config& its_config);

  Config config;
  Meter meter;
  Models models;
  Metrics metrics;
  std::atomic<bool> draining{false};
  std::function<std::int64_t()> connections;  ///< how many clients are connected
  std::function<std::int64_t()> body_bytes;   ///< of bodies that are held
};

/// One request on its way through a route.
struct Exchange {
  Service& service;
  Request& request;
  Reply& reply;
  std::string id;         ///< the request's, made by the server
  Caller caller = {};     ///< where the route asks for keys
  std::string name = {};  ///< what stands for {} in the route's path

  /// Null where there is no model of that kind with the name, or none that the caller may use.
  template <class Kind>
  std::shared_ptr<Kind> find_model(std::string_view model) const {
    return service.meter.may_use(caller, model) ? service.models.find<Kind>(model) : nullptr;
  }
};

}  // namespace quern::serve
