#pragma once

#include <array>
#include <string_view>

namespace quern::models {

/// A setting that models have, and what each format calls it.
struct Setting {
  std::string_view gguf;                 ///< its key after the architecture's name; "": none
  std::array<std::string_view, 4> json;  ///< in config.json; the first that is there counts
};

/// The settings that more than one family has: loading and `inspect` read them by these. What one
/// family alone has stands in its file.
namespace setting {

// clang-format off
inline constexpr Setting vocab_size{"vocab_size", {"vocab_size"}};
inline constexpr Setting hidden_size{"embedding_length", {"hidden_size", "n_embd", "d_model"}};
inline constexpr Setting layers{"block_count", {"num_hidden_layers", "n_layer", "n_layers", "num_layers"}};
inline constexpr Setting heads{"attention.head_count", {"num_attention_heads", "n_head", "n_heads", "num_heads"}};
inline constexpr Setting kv_heads{"attention.head_count_kv", {"num_key_value_heads"}};
inline constexpr Setting head_dim{"attention.key_length", {"head_dim"}};
inline constexpr Setting value_dim{"attention.value_length", {}};
inline constexpr Setting ffn_size{"feed_forward_length", {"intermediate_size", "n_inner", "ffn_dim"}};
inline constexpr Setting context_length{"context_length", {"max_position_embeddings", "n_positions", "max_seq_len"}};
inline constexpr Setting tied{"", {"tie_word_embeddings"}};

inline constexpr Setting rms_epsilon{"attention.layer_norm_rms_epsilon", {"rms_norm_eps"}};
inline constexpr Setting layer_epsilon{"attention.layer_norm_epsilon", {"layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"}};

inline constexpr Setting activation{"", {"hidden_act", "hidden_activation", "activation_function"}};
inline constexpr Setting attention_bias{"", {"attention_bias"}};
inline constexpr Setting mlp_bias{"", {"mlp_bias"}};
inline constexpr Setting use_bias{"", {"use_bias"}};
inline constexpr Setting window{"attention.sliding_window", {"sliding_window"}};
inline constexpr Setting window_pattern{"attention.sliding_window_pattern", {"sliding_window_pattern", "_sliding_window_pattern"}};
inline constexpr Setting layer_types{"", {"layer_types"}};
inline constexpr Setting use_window{"", {"use_sliding_window"}};
inline constexpr Setting window_from_layer{"", {"max_window_layers"}};
inline constexpr Setting experts{"expert_count", {"num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"}};
inline constexpr Setting parallel{"use_parallel_residual", {"use_parallel_residual"}};

inline constexpr Setting attention_softcap{"attn_logit_softcapping", {"attn_logit_softcapping"}};
inline constexpr Setting logit_softcap{"final_logit_softcapping", {"final_logit_softcapping"}};
inline constexpr Setting embedding_scale{"embedding_scale", {"embedding_multiplier"}};
inline constexpr Setting residual_scale{"residual_scale", {"residual_multiplier"}};
inline constexpr Setting attention_scale{"attention.scale", {"attention_multiplier"}};
inline constexpr Setting query_scalar{"", {"query_pre_attn_scalar"}};
inline constexpr Setting clip_qkv{"attention.clamp_kqv", {"clip_qkv"}};
inline constexpr Setting bidirectional{"", {"use_bidirectional_attention"}};

inline constexpr Setting rope_base{"rope.freq_base", {"rope_theta"}};
inline constexpr Setting rope_base_local{"rope.freq_base_swa", {"rope_local_base_freq"}};
inline constexpr Setting rope_dim{"rope.dimension_count", {}};
inline constexpr Setting rope_share{"", {"partial_rotary_factor", "rotary_pct"}};
// clang-format on

}  // namespace setting

}  // namespace quern::models
