#include <unistd.h>

#include <fstream>

#include "serve/routes/table.h"

namespace quern::serve {
namespace {

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0;
  double resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void measure(Service& service) {
  for (const auto& model : service.models.all()) model->measure(service.metrics);
  service.metrics.set("quern_resident_memory_bytes", {}, resident_bytes());
  if (service.connections) {
    service.metrics.set("quern_connections", {}, static_cast<double>(service.connections()));
    service.metrics.set("quern_body_bytes", {}, static_cast<double>(service.body_bytes()));
  }
}

}  // namespace

void metrics(Exchange& exchange) {
  measure(exchange.service);
  exchange.reply.send(200, "text/plain; version=0.0.4; charset=utf-8",
                      exchange.service.metrics.text());
}

}  // namespace quern::serve
