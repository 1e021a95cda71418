#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/source/model_source.h"
#include "quern/weights.h"

namespace quern::models {

/// What one family's files call a tensor that the table of `tensors.cpp` does not have, or has for
/// another.
struct TensorName {
  std::string_view name;          ///< the canonical one: GGUF's usual
  std::string_view hugging_face;  ///< "": the table's
  std::string_view gguf = {};     ///< "": the canonical one
};

/// A model's tensors by canonical names, whatever the format of its files: of the model as a whole
/// ("token_embd", "output_norm", "output"), or below one of its layers ("attn_q", "ffn_up"). It
/// remembers what was read, so that nothing that the file has is passed over in silence. Copies
/// share that memory; one thread at a time. All throw `unsupported` for a weight that holds codes
/// of some quantisation.
class Tensors {
 public:
  Tensors(const ModelSource& source, Accuracy accuracy,
          std::initializer_list<TensorName> names = {});

  /// Those of layer `index`.
  Tensors layer(std::int64_t index) const;
  /// How products with them are to be computed.
  Accuracy accuracy() const noexcept;
  bool is_gguf() const noexcept;
  /// How many the files have, whatever they are.
  std::int64_t count() const noexcept;

  bool has(std::string_view name, std::string_view part = "weight") const;
  /// Throws: `not_found` with the file's name for it.
  const Weight& get(std::string_view name, std::string_view part = "weight") const;
  /// What a layer with these parts ("weight", "bias") loads from. Throws: as `get`.
  WeightsView view(std::string_view name, bool has_bias = false) const;

  /// Throws: `unsupported` for a tensor that was not read and would change what the others mean:
  /// any of a GGUF file, and of others what stands beside a weight that was read.
  void refuse_unread() const;

 private:
  struct State;
  /// As the file has it, or would.
  std::string file_name(std::string_view name, std::string_view part) const;
  void require_there(const std::string& layer_name, std::string_view part) const;

  std::shared_ptr<State> state_;
  std::int64_t layer_ = -1;
};

}  // namespace quern::models
