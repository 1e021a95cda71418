#include "serve/routes/table.h"

#include <array>

namespace quern::serve {
namespace {

constexpr std::array kRoutes{
    Route{"GET", "/", page},
    Route{"POST", "/v1/chat/completions", chat_completions, true, true},
    Route{"POST", "/v1/completions", completions, true, true},
    Route{"GET", "/v1/models", list_models, true},
    Route{"GET", "/v1/models/{}", show_model, true},
    Route{"GET", "/v1/usage", usage, true},
    Route{"GET", "/v2", describe_server},
    Route{"GET", "/v2/health/live", health},
    Route{"GET", "/v2/health/ready", readiness},
    Route{"POST", "/v2/models/{}/infer", infer, true, true},
    Route{"GET", "/v2/models/{}/ready", onnx_model_readiness, true},
    Route{"GET", "/v2/models/{}", describe_onnx_model, true},
    Route{"GET", "/healthz", health},
    Route{"GET", "/readyz", readiness},
    Route{"GET", "/metrics", metrics},
};

}  // namespace

std::span<const Route> routes() noexcept { return kRoutes; }

}  // namespace quern::serve
