#pragma once

#include <span>
#include <string_view>

#include "serve/service.h"

namespace quern::serve {

/// What a route is answered by.
struct Route {
  std::string_view method;
  std::string_view path;  ///< {} in it is any name, which may have slashes: the first that fits
  void (*answer)(Exchange& exchange);
  bool needs_key = false;
  bool metered = false;  ///< counted in its caller's rate, before its body is read
};

/// All routes.
std::span<const Route> routes() noexcept;

// A file each in this folder.
void chat_completions(Exchange& exchange);
void completions(Exchange& exchange);
void list_models(Exchange& exchange);
void show_model(Exchange& exchange);
void usage(Exchange& exchange);
void health(Exchange& exchange);
void readiness(Exchange& exchange);
void metrics(Exchange& exchange);
void page(Exchange& exchange);
void describe_server(Exchange& exchange);
void describe_onnx_model(Exchange& exchange);
void onnx_model_readiness(Exchange& exchange);
void infer(Exchange& exchange);

}  // namespace quern::serve
