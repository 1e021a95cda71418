#include "models/source/tensors.h"

#include <algorithm>
#include <array>
#include <set>

#include "core/error.h"
#include "core/format.h"

namespace quern::models {
namespace {

struct Row {
  std::string_view name;
  std::array<std::string_view, 9> hugging_face;  // the first that is there counts
};

/// GGUF's names are the canonical ones.
constexpr Row kOfModel[] = {
    {"token_embd",
     {"model.embed_tokens", "transformer.wte", "transformer.word_embeddings",
      "model.decoder.embed_tokens", "embed_tokens", "wte"}},
    {"token_embd_norm", {"transformer.word_embeddings_layernorm"}},
    {"position_embd", {"transformer.wpe", "model.decoder.embed_positions", "wpe"}},
    {"output_norm",
     {"model.norm", "transformer.ln_f", "model.final_layernorm", "transformer.norm_f",
      "model.decoder.final_layer_norm", "model.layer_norm", "norm", "ln_f"}},
    {"output", {"lm_head", "embed_out"}},
    {"blk",
     {"model.layers", "transformer.h", "transformer.blocks", "model.decoder.layers", "layers",
      "h"}},
};

constexpr Row kOfLayer[] = {
    {"attn_norm",
     {"input_layernorm", "ln_1", "norm_1", "self_attn_layer_norm", "attention_layernorm",
      "ln_attn"}},
    {"attn_q", {"self_attn.q_proj", "attn.q_proj", "attn.attention.q_proj"}},
    {"attn_k", {"self_attn.k_proj", "attn.k_proj", "attn.attention.k_proj"}},
    {"attn_v", {"self_attn.v_proj", "attn.v_proj", "attn.attention.v_proj"}},
    {"attn_qkv",
     {"self_attn.qkv_proj", "attn.c_attn", "self_attention.query_key_value",
      "attention.query_key_value", "attn.Wqkv", "attn.qkv_proj"}},
    {"attn_q_norm", {"self_attn.q_norm", "self_attn.q_layernorm", "self_attn.query_layernorm"}},
    {"attn_k_norm", {"self_attn.k_norm", "self_attn.k_layernorm", "self_attn.key_layernorm"}},
    {"attn_sub_norm", {"self_attn.attn_sub_norm"}},
    {"attn_output",
     {"self_attn.o_proj", "self_attn.dense", "attn.c_proj", "self_attention.dense",
      "attention.dense", "attn.out_proj", "self_attn.out_proj"}},
    {"post_attention_norm", {"post_self_attn_layernorm", "post_attention_layernorm"}},
    {"ffn_norm",
     {"pre_feedforward_layernorm", "post_attention_layernorm", "ln_2", "norm_2",
      "feedforward_layernorm", "final_layer_norm", "ln_mlp"}},
    {"ffn_gate", {"mlp.gate_proj"}},
    {"ffn_up",
     {"mlp.up_proj", "mlp.fc1", "mlp.c_fc", "mlp.dense_h_to_4h", "fc1", "ffn.up_proj",
      "mlp.fc_in"}},
    {"ffn_gate_up", {"mlp.gate_up_proj"}},
    {"ffn_sub_norm", {"mlp.ffn_sub_norm"}},
    {"ffn_down",
     {"mlp.down_proj", "mlp.fc2", "mlp.c_proj", "mlp.dense_4h_to_h", "fc2", "ffn.down_proj",
      "mlp.fc_out"}},
    {"post_ffw_norm", {"post_feedforward_layernorm", "post_mlp_layernorm"}},
};

std::vector<std::string_view> usual_names(std::span<const Row> rows, std::string_view name) {
  std::vector<std::string_view> names;
  const auto row = std::ranges::find(rows, name, &Row::name);
  if (row == rows.end()) return {name};
  for (const std::string_view spelt : row->hugging_face) {
    if (!spelt.empty()) names.push_back(spelt);
  }
  return names;
}

bool holds_values(const Weight& weight) {
  if (weight.encoding() != Encoding::dense) return true;
  const DType dtype = weight.tensor().dtype();
  return is_floating(dtype) || is_narrow(dtype);
}

/// Weights that stand for others under scales of their own would be read as what they are not.
void refuse_quantised(const io::JsonObject& json) {
  for (const char* name : {"quantization_config", "compression_config"}) {
    if (!json.contains(name)) continue;
    const auto method = json.object(name).get_or<std::string>("quant_method", "unnamed");
    fail(ErrorCode::unsupported,
         "config.json: \"{}\" says that the weights are quantised by \"{}\", which is not "
         "supported; known are dense weights, and GGUF's types",
         name, method);
  }
}

}  // namespace

struct Tensors::State {
  Weights weights;
  std::vector<std::string> all;  // sorted
  bool is_gguf;
  Accuracy accuracy;
  std::vector<TensorName> names;
  std::string layers;  // what the names of layers begin with
  std::set<std::string, std::less<>> read;

  /// Some name that begins with `prefix`.
  const std::string* find_below(std::string_view prefix) const {
    const auto found = std::lower_bound(all.begin(), all.end(), prefix);
    return found != all.end() && found->starts_with(prefix) ? &*found : nullptr;
  }
  /// What the file may call it, in order.
  std::vector<std::string_view> spellings(std::span<const Row> rows, std::string_view name) const {
    for (const TensorName& own : names) {
      if (own.name != name) continue;
      if (is_gguf && !own.gguf.empty()) return {own.gguf};
      if (!is_gguf && !own.hugging_face.empty()) return {own.hugging_face};
    }
    if (is_gguf) return {name};
    return usual_names(rows, name);
  }
};

Tensors::Tensors(const ModelSource& source, Accuracy accuracy,
                 std::initializer_list<TensorName> names)
    : state_(std::make_shared<State>(State{.weights = source.weights,
                                           .all = source.weights.names(),
                                           .is_gguf = source.gguf.has_value(),
                                           .accuracy = accuracy,
                                           .names = names,
                                           .layers = {},
                                           .read = {}})) {
  if (source.config) refuse_quantised(io::JsonObject(*source.config, "config.json"));
  const auto spellings = state_->spellings(kOfModel, "blk");
  const auto used = std::ranges::find_if(spellings, [&](std::string_view prefix) {
    return state_->find_below(fmt::format("{}.", prefix)) != nullptr;
  });
  state_->layers = used == spellings.end() ? spellings.front() : *used;
}

Tensors Tensors::layer(std::int64_t index) const {
  Tensors below = *this;
  below.layer_ = index;
  return below;
}

Accuracy Tensors::accuracy() const noexcept { return state_->accuracy; }

bool Tensors::is_gguf() const noexcept { return state_->is_gguf; }

std::int64_t Tensors::count() const noexcept { return std::ssize(state_->all); }

std::string Tensors::file_name(std::string_view name, std::string_view part) const {
  const bool whole = layer_ < 0;
  const std::string prefix = whole ? "" : fmt::format("{}.{}.", state_->layers, layer_);
  const auto spellings = state_->spellings(
      whole ? std::span<const Row>(kOfModel) : std::span<const Row>(kOfLayer), name);
  for (const std::string_view spelt : spellings) {
    std::string full = fmt::format("{}{}.{}", prefix, spelt, part);
    if (state_->weights.contains(full)) return full;
  }
  return fmt::format("{}{}.{}", prefix, spellings.front(), part);
}

bool Tensors::has(std::string_view name, std::string_view part) const {
  return state_->weights.contains(file_name(name, part));
}

void Tensors::require_there(const std::string& full, std::string_view part) const {
  if (!state_->weights.contains(full)) {
    const std::string_view layer = std::string_view(full).substr(0, full.size() - part.size());
    const std::string* other = part == "weight" ? state_->find_below(layer) : nullptr;
    if (other != nullptr && !other->ends_with(".bias")) {
      fail(ErrorCode::unsupported,
           "model: \"{}\" says that \"{}\" is quantised in a way that is not supported", *other,
           full);
    }
    return;
  }
  const Weight& weight = state_->weights.get(full);
  if (!holds_values(weight)) {
    fail(ErrorCode::unsupported, "model: \"{}\" holds {}, expected numbers or GGUF's blocks", full,
         weight.type_name());
  }
  state_->read.insert(full);
}

const Weight& Tensors::get(std::string_view name, std::string_view part) const {
  const std::string full = file_name(name, part);
  require_there(full, part);
  return state_->weights.get(full);
}

WeightsView Tensors::view(std::string_view name, bool has_bias) const {
  const std::string full = file_name(name, "weight");
  const std::string prefix = full.substr(0, full.size() - std::string_view(".weight").size());
  require_there(full, "weight");
  if (has_bias) require_there(prefix + ".bias", "bias");
  return state_->weights.view(prefix);
}

void Tensors::refuse_unread() const {
  const auto& read = state_->read;
  for (const std::string& name : state_->all) {
    if (read.contains(name)) continue;
    if (state_->is_gguf) {
      fail(ErrorCode::unsupported,
           "model: the file has a tensor \"{}\", which a model of its architecture does not have "
           "here",
           name);
    }
    if (name.ends_with(".bias")) continue;
    for (std::size_t dot = name.find('.'); dot != std::string::npos;
         dot = name.find('.', dot + 1)) {
      const auto found = read.find(fmt::format("{}.weight", name.substr(0, dot)));
      if (found == read.end()) continue;
      fail(ErrorCode::unsupported,
           "model: \"{}\" says that \"{}\" is quantised in a way that is not supported", name,
           *found);
    }
  }
}

}  // namespace quern::models
