#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "quern/onnx.h"

namespace quern::onnx {

struct BatchOptions {
  std::int64_t max_batch = 64;             ///< rows of one run at most
  std::chrono::milliseconds max_delay{2};  ///< that a call waits for others
  bool rows_are_independent = false;       ///< known of the model, where it cannot be proved
};

/// Runs a model for many callers at once. Where the first axis of every input and output is dynamic
/// and of one name, and rows along it are independent (Model::rows_are_independent) or said to be,
/// calls whose other axes agree are run as one, along that axis, in a thread of its own; else each
/// is run alone, in its caller's thread.
///
/// Safe to use from several threads at once, but for moving.
class QUERN_API Batcher {
 public:
  /// Throws: `internal` where the system has no threads left.
  explicit Batcher(const Model& model, const BatchOptions& options = {});
  Batcher(Batcher&&) noexcept;
  Batcher& operator=(Batcher&&) noexcept;
  /// Runs what waits, then ends.
  ~Batcher();

  const Model& model() const noexcept;
  /// Whether calls are run together at all.
  bool batches() const noexcept;

  /// As Model::run. A call that is wrong fails alone.
  Values run(const Values& inputs);
  /// How many runs of the model there were.
  std::int64_t runs() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::onnx
