#pragma once

namespace quern::kernels {

/// Makes Highway's dynamic dispatch honour RuntimeOptions::max_isa, which is settled by the first
/// call. Everything that dispatches calls this before. Thread-safe, and cheap once done.
void settle_targets();

}  // namespace quern::kernels
