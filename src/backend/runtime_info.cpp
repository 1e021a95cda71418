#include <fmt/format.h>

#include "backend/onednn.h"
#include "core/buffer.h"
#include "core/runtime.h"
#include "quern/version.h"

namespace quern {
namespace {

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::amx:
      return "amx";
    case Isa::avx512_bf16:
      return "avx512_bf16";
    case Isa::avx512_vnni:
      return "avx512_vnni";
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    default:
      return "baseline";
  }
}

}  // namespace

RuntimeInfo runtime_info() {
  backend::cpu_engine();
  const dnnl_version_t* onednn = dnnl_version();
  return {.version = QUERN_VERSION,
          .onednn_version = fmt::format("{}.{}.{}", onednn->major, onednn->minor, onednn->patch),
          .isa = std::string(name_of(backend::version::effective_isa())),
          .threads = thread_count(),
          .memory_in_use = buffer_bytes_in_use()};
}

}  // namespace quern
